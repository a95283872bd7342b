"""Plays the cells of a sweep in processes of this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sap_rl.errors import UsageError
from sap_rl.store.records import CellRecord
from sap_rl.sweep.experiments import CellTask
from sap_rl.sweep.worker import CellProgress

Draw = Callable[[], CellTask | None]
"""The next cell that can be played now, None where there is none at the moment."""


@dataclass(frozen=True)
class CellBegan:
    """A worker plays a cell."""

    task: CellTask


@dataclass(frozen=True)
class CellDone:
    """A cell is complete and in the store."""

    task: CellTask
    record: CellRecord


@dataclass(frozen=True)
class WorkerLost:
    """A worker died in the middle of a cell, which is played on by another."""

    task: CellTask
    reason: str


EngineEvent = CellBegan | CellProgress | CellDone | WorkerLost

MOST_TRIES = 3
"""Workers that may die over one cell before the sweep gives up: it is then the cell's fault."""


@runtime_checkable
class Engine(Protocol):
    """Plays cells until `draw` has none and none is being played.

    `draw` is asked again after every event. Abandoning the iterator ends the workers.
    """

    def run(self, draw: Draw) -> Iterator[EngineEvent]: ...


class Tries:
    """Counts what workers died of, and gives up where it is always the same cell."""

    def __init__(self) -> None:
        self._lost: dict[str, int] = {}

    def lost(self, task: CellTask, reason: str) -> WorkerLost:
        """UsageError where too many workers died over this cell."""
        self._lost[task.key] = self._lost.get(task.key, 0) + 1
        if self._lost[task.key] >= MOST_TRIES:
            raise UsageError(f"{MOST_TRIES} workers died over cell {task.title}: {reason}")
        return WorkerLost(task, reason)
