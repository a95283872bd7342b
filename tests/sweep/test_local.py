"""Workers that die while they have nothing to do; whole sweeps are in test_sweep.py."""

from __future__ import annotations

from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from sap_rl.errors import UsageError
from sap_rl.evaluation.settings import Settings
from sap_rl.play.arms import Arm
from sap_rl.sweep.engines import CellBegan, Tries, WorkerLost
from sap_rl.sweep.engines.local import LocalEngine, _Worker
from sap_rl.sweep.experiments import CellTask, Experiment

PLAYED = Experiment("BankHeist", Settings("BankHeist", (4.0,)))
TASK, OTHER = (CellTask(PLAYED, Arm("original"), key, 0, 1, {}) for key in ("one", "other"))


class Dead(BaseProcess):
    """Killed, as far as anybody can tell."""

    exitcode = -9

    def join(self, timeout: float | None = None) -> None:
        pass


def worker(*, alive: bool) -> tuple[_Worker, Connection]:
    """Without a process; nobody is at the other end of a dead one's pipe."""
    mine, theirs = Pipe()
    if not alive:
        theirs.close()
    return _Worker(Dead(), mine), theirs


def test_a_worker_that_died_while_idle_is_replaced_and_its_cell_played(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = LocalEngine(Path("store"), 2)
    (dead, _), (busy, _), (new, other) = (worker(alive=alive) for alive in (False, True, True))
    busy.task = OTHER
    monkeypatch.setattr(engine, "_hire", lambda: new)
    workers, tasks = [dead, busy], [TASK]
    again: list[CellTask] = []
    found = list(engine._hand_out(workers, lambda: tasks.pop() if tasks else None, Tries(), again))
    assert found == [CellBegan(TASK)], "no try of the cell is lost"
    assert workers == [busy, new]
    assert (new.task, again, tasks) == (TASK, [], [])
    assert other.recv() == TASK
    assert dead.pipe.closed


def test_workers_that_die_as_soon_as_they_are_made_are_not_made_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = LocalEngine(Path("store"), 1)
    monkeypatch.setattr(engine, "_hire", lambda: worker(alive=False)[0])
    workers: list[_Worker] = []
    events = engine._hand_out(workers, lambda: TASK, Tries(), [])
    assert [next(events) for _ in range(2)] == [WorkerLost(TASK, "exit status -9")] * 2
    with pytest.raises(UsageError, match="3 workers died over cell BankHeist original"):
        next(events)
    assert workers == []
