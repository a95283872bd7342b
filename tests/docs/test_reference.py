"""The reference names everything that is public, and says what the code says."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

import sap_rl
from sap_rl.cli import COMMANDS
from sap_rl.settings.shipped import shipped_configs

DOCS = Path(__file__).parents[2] / "docs"
GENERATED: dict[str, Any] = runpy.run_path(str(DOCS / "generated.py"))
DOCSTRINGS: dict[str, Any] = runpy.run_path(str(DOCS / "docstrings.py"))


def page(name: str) -> str:
    """A page of the reference with its generated parts."""
    text: str = GENERATED["filled"]((DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8"))
    return text


def test_every_public_name_stands_in_the_reference() -> None:
    text = page("python")
    assert not [name for name in sap_rl.__all__ if f".{name}\n" not in text]


def test_every_command_and_flag_stands_in_the_reference() -> None:
    text = page("command_line")
    assert not [name for name in COMMANDS if f"## `sap-rl {name}`" not in text]
    assert "### `sap-rl store export`" in text
    assert "| `--lambda LAMBDA ...` | attack budget, one or several; 0 is always played too" in text
    assert "| `--until-ci WIDTH` | play on, up to `episodes`, until" in text
    assert "25 points" in text.split("--until-ci")[1].split("\n")[0]
    assert "### `apgd`" in text
    assert "| `rho` | `0.75` |" in text


def test_options_say_default_unit_and_meaning() -> None:
    line = next(line for line in page("python").split("\n") if line.startswith("| `temperature` |"))
    assert line.startswith("| `temperature` | `0.03, 1 for an actor` |")


@pytest.mark.parametrize("name", ["files", "configs"])
def test_nothing_generated_is_left_open(name: str) -> None:
    assert "<!-- generated" not in page(name)


def test_every_shipped_configuration_is_shown() -> None:
    text = page("configs")
    assert not [name for name in shipped_configs() if f"## `{name}`" not in text]


def test_words_are_not_taken_for_markdown() -> None:
    assert GENERATED["escaped"]("a*b [c] `d*e|f`") == r"a\*b \[c\] `d*e\|f`"


def test_arguments_of_a_docstring_become_a_list() -> None:
    lines = [
        "First line.",
        "",
        "a, b [N, 2]: two * `*` |numbers|; c: that: is; no such: end.",
    ]
    assert DOCSTRINGS["listed"](lines, {"a", "b", "c"}) == [
        "First line.", "",
        r"- **a, b [N, 2]**: two \* `*` \|numbers\|", "- **c**: that: is; no such: end.", "",
    ]  # fmt: skip
    assert DOCSTRINGS["listed"](["    a: one", "    b: two"], {"a", "b"}) == [
        "- **a**: one", "- **b**: two", "",
    ]  # fmt: skip
    assert DOCSTRINGS["listed"](["Only a: word."], {"b"}) == ["Only a: word.", ""]
