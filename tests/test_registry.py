"""Registries: names without their entries, and the options that a signature declares."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest

from sap_rl import ATTACKS
from sap_rl.registry import Registry
from sap_rl.schema import Option, OptionField, options_of

ROOT = Path(__file__).resolve().parent.parent


def test_names_are_known_without_torch() -> None:
    """The package around them is left out, which imports everything."""
    code = (
        "import sys, types\n"
        "package = types.ModuleType('sap_rl'); package.__path__ = ['sap_rl']\n"
        "sys.modules['sap_rl'] = package\n"
        "from sap_rl.attacks import ATTACKS\n"
        "from sap_rl.corruptions import CORRUPTIONS\n"
        "from sap_rl.defenses import DEFENSES\n"
        "from sap_rl.networks.loaders import LOADERS\n"
        "assert 'pgd' in ATTACKS and 'sap' in DEFENSES and 'native' in LOADERS\n"
        "print(*map(len, (ATTACKS, CORRUPTIONS, DEFENSES, LOADERS)), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == ["10", "12", "8", "16", "False"]


def test_an_entry_is_loaded_when_it_is_asked_for() -> None:
    places = {"two": "math:tau", "none": "no_such_module:ENTRY"}
    registry: Registry[float] = Registry(places)
    assert list(registry) == ["two", "none"]
    assert registry["two"] == pytest.approx(6.283185)
    assert "none" in registry
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        registry["none"]
    with pytest.raises(KeyError):
        registry["three"]
    places["three"] = "math:e"
    assert registry["three"] == pytest.approx(2.718281)


def factory(
    module: int,
    *,
    size: Annotated[float | None, Option("of a step", unit="pixels")] = None,
    mode: Annotated[Literal["a", "b"], Option("how")] = "a",
    names: Annotated[tuple[str, ...], Option("which")] = (),
    count: Annotated[int, Option("how many")],
    seed: int = 0,
) -> None: ...


def test_options_are_what_a_signature_declares() -> None:
    assert list(options_of(factory).values()) == [
        OptionField("size", float, None, "of a step", "pixels", (), optional=True),
        OptionField("mode", str, "a", "how", "", ("a", "b")),
        OptionField("names", tuple, (), "which"),
        OptionField("count", int, inspect.Parameter.empty, "how many"),
    ]


def test_what_is_public_is_used_as_before() -> None:
    assert callable(ATTACKS["pgd"](steps=3))
    assert ATTACKS["pgd"] is ATTACKS["pgd"]
    assert repr(ATTACKS).startswith("Registry(none, noise, ")
