"""The kept files, and how what was recorded is compared with what is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILES = Path(__file__).parent / "files"


NAMES = {"matched": "noise-control", "self": "own"}
"""Arms and victims that had another name when the files were made."""


def read_json(name: str) -> dict[str, Any]:
    """A recorded object; arms and victims by their names of today."""
    found: dict[str, Any] = renamed(json.loads((FILES / name).read_text(encoding="utf-8")))
    return found


def renamed(recorded: Any, at: str = "") -> Any:
    """What was recorded, arms and victims by their names of today."""
    if isinstance(recorded, dict):
        return {name: renamed(value, name) for name, value in recorded.items()}
    if isinstance(recorded, list):
        return [renamed(value, at) for value in recorded]
    return NAMES.get(recorded, recorded) if at in ("arm", "victim", "victims") else recorded


def assert_holds(found: Any, recorded: Any, where: str = "") -> None:
    """Everything recorded is found with the same value; more may have been added to mappings."""
    if isinstance(recorded, dict):
        for name, value in recorded.items():
            assert name in found, f"{where}: {name} is gone"
            assert_holds(found[name], value, f"{where}.{name}")
    elif isinstance(recorded, list):
        assert len(found) == len(recorded), where
        for number, (one, other) in enumerate(zip(found, recorded, strict=True)):
            assert_holds(one, other, f"{where}[{number}]")
    else:
        assert found == recorded, where
