"""Configurations that come with sap_rl, found by name as agents are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sap_rl.errors import unknown


def find_config(ref: Path) -> Path:
    """The file that `--config` means: a path, or a name such as `paper_table` or `harden/quick`.

    A file that is there wins over a name. UsageError for a name that nothing has.
    """
    if ref.suffix or ref.is_absolute() or ref.is_file():
        return ref
    known = shipped_configs()
    if ref.as_posix() not in known:
        raise unknown("config", str(ref), known)
    return known[ref.as_posix()]


def shipped_configs() -> dict[str, Path]:
    """Name -> file of every shipped configuration; those of a checkout win over the wheel's."""
    found: dict[str, Path] = {}
    for place in _places():
        for file in sorted(place.rglob("*.yaml")):
            found.setdefault(file.relative_to(place).with_suffix("").as_posix(), file)
    return found


def _places() -> Iterator[Path]:
    package = Path(__file__).resolve().parent.parent
    yield package.parent / "configs"
    yield package / "_configs"
