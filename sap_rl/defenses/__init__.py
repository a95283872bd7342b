"""Defences transform a trained network; `DEFENSES` maps a name to each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sap_rl.defenses.names import DEFENSE_NAMES
from sap_rl.errors import UsageError, unknown
from sap_rl.registry import Registry
from sap_rl.schema import OptionField

if TYPE_CHECKING:  # names are asked for where nothing is computed
    from sap_rl.defenses.defended import Defense

DEFENSES: Registry[Defense] = Registry(DEFENSE_NAMES)
"""Name -> (module, *, seed, ...) -> nn.Module, with its traits; loaded when asked for."""


def parse_defense(text: str) -> tuple[str, dict[str, Any]]:
    """`sap-100` -> ("sap", {"percent": 100.0}); a bare name leaves the option to its default.

    Raises UsageError with the known names.
    """
    if text in DEFENSES:
        return text, {}
    longest = sorted(DEFENSES, key=len, reverse=True)
    name = next((name for name in longest if text.startswith(f"{name}-")), None)
    if name is None:
        raise unknown("defense", text, (f"{name}-K" for name in DEFENSES))
    number, strength = text.removeprefix(f"{name}-"), DEFENSES[name].strength
    if strength is None:
        raise UsageError(f"defense '{text}': {name} has no strength, write {name} alone")
    try:
        return name, {strength: float(number)}
    except ValueError:
        raise UsageError(
            f"defense '{text}': '{number}' is not a number; write for example {name}-100"
        ) from None


def defense_options(name: str) -> Mapping[str, OptionField]:
    """The options that the defence takes, by name; UsageError for an unknown defence."""
    if name not in DEFENSES:
        raise unknown("defense", name, DEFENSES)
    return DEFENSES[name].options
