"""Finished cells of a long run as small files, so that an interrupted one goes on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from sap_rl.errors import UsageError
from sap_rl.files import check_folder, write_atomically
from sap_rl.plain import json_line, json_object, read_json
from sap_rl.play.threads import Job, side_by_side

KEY_LENGTH = 16


@dataclass(frozen=True)
class CellPlan:
    """A cell to be made where it is not there yet.

    facts: everything that determines it; make: the cell as plain JSON, given a place as in `Job`;
    prepare: what making needs and cells share, done before any is made.
    """

    name: str
    facts: dict[str, Any]
    make: Callable[[int], dict[str, Any]]
    prepare: Callable[[], object] = lambda: None


P = TypeVar("P", bound=CellPlan)


@dataclass(frozen=True)
class CellMade(Generic[P]):
    """A cell and the seconds it took, None where it was found in the folder."""

    plan: P
    cell: dict[str, Any]
    seconds: float | None


class Cells:
    """A folder of JSON objects, each named by a hash of everything that determines it.

    folder: None keeps nothing. A file that is no JSON object of its own key counts as missing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        if folder is not None:
            check_folder(folder)

    def run(self, plans: Sequence[P], at_once: int) -> Iterator[CellMade[P]]:
        """Every cell, the stored ones first; the others are made side by side and kept."""
        missing = []
        for plan in plans:
            if (stored := self.load(plan.facts)) is None:
                missing.append(plan)
            else:
                yield CellMade(plan, stored, None)
        for plan in missing:
            plan.prepare()
        yield from side_by_side([Job(partial(self._make, plan)) for plan in missing], at_once)

    def _make(self, plan: P, place: int) -> Iterator[CellMade[P]]:
        started = time.perf_counter()
        cell = plan.make(place)
        self.store(plan.facts, cell)
        yield CellMade(plan, cell, time.perf_counter() - started)

    def load(self, facts: dict[str, Any]) -> dict[str, Any] | None:
        """What was stored under these facts, None if nothing usable was."""
        if self.folder is None:
            return None
        try:
            stored = read_json(self._path(facts).read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(stored, dict) or stored.get("facts") != read_json(json_line(facts)):
            return None
        found: dict[str, Any] = stored["cell"]
        return found

    def store(self, facts: dict[str, Any], cell: dict[str, Any]) -> None:
        """Keep a finished cell; the file is there whole or not at all."""
        if self.folder is not None:
            write_atomically(self._path(facts), json_object({"facts": facts, "cell": cell}))

    def _path(self, facts: dict[str, Any]) -> Path:
        assert self.folder is not None
        return self.folder / f"{cell_key(facts)}.json"


def cell_key(facts: dict[str, Any]) -> str:
    """The name under which a cell with these facts is kept."""
    try:
        text = json_line(facts)
    except (TypeError, ValueError) as error:
        raise UsageError(f"a cell's facts must be plain JSON: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]
