"""What docs/architecture.md says of the code is so."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")


def table(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table after a heading, without its two head lines."""
    lines = text.split(heading, 1)[1].split("\n")
    rows = [line for line in lines if line.startswith("|")]
    start = lines.index(rows[0])
    found = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        found.append([part.strip() for part in line.strip("|").split("|")])
    return found[2:]


def test_every_file_that_it_names_is_there() -> None:
    named = set(re.findall(r"`(sap_rl/[\w/.]*|scripts/[\w/.]+)`", TEXT))
    assert len(named) > 30
    assert not [path for path in named if not (ROOT / path).exists()]


def test_every_room_is_named() -> None:
    rooms = {path.parent.name for path in (ROOT / "sap_rl").glob("*/__init__.py")}
    named = {row[0].strip("`").split("/")[1] for row in table(TEXT, "## The rooms")}
    assert not rooms - named


def test_every_default_of_the_protocol_has_its_symbol() -> None:
    defaults = [row[0] for row in table(PROTOCOL, "## The defaults")]
    stated = table(TEXT, "## Where each default of the protocol is computed")
    assert [row[0] for row in stated] == defaults
    for _, symbol, file in stated:
        module = file.strip("`").removesuffix(".py").replace("/", ".")
        found = getattr(importlib.import_module(module), symbol.strip("`"))
        assert getattr(found, "__module__", module) == module
