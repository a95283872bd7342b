"""What the Ray engine does about deaths, leftovers and machines without a GPU: Ray played by hand.

A real Ray with a killed worker: tests/sweep/test_run.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sap_rl import Protocol, UsageError
from sap_rl.evaluation.settings import Settings
from sap_rl.store.store import Store
from sap_rl.sweep import worker as cell_play
from sap_rl.sweep.engines import CellBegan, CellDone, EngineEvent, WorkerLost
from sap_rl.sweep.engines import ray as engine_ray
from sap_rl.sweep.engines.ray import KEPT_DAYS, LOST, RayEngine, play_apart
from sap_rl.sweep.experiments import CellTask, Experiment, plan_experiment

SETTINGS = Settings(
    "BankHeist", (4.0,), defense=None, episodes=2, num_envs=2, protocol=Protocol(max_frames=120)
)


class FakeRay:
    """Ray as far as the engine knows it; deaths: raised by the first results, one each."""

    def __init__(self, deaths: tuple[str, ...] = (), gpus: float = 0.0) -> None:
        found = {name: type(name, (Exception,), {}) for name in (*LOST, "RayTaskError")}
        self.exceptions = SimpleNamespace(**found)
        self.deaths, self.gpus, self.asked = list(deaths), gpus, 0

    def is_initialized(self) -> bool:
        return True

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 1.0}

    def nodes(self) -> list[dict[str, Any]]:
        dead = {"Alive": False, "Resources": {"GPU": 99.0}}
        small = {"Alive": True, "Resources": {"CPU": 1.0}}
        return [dead, small, {"Alive": True, "Resources": {"GPU": self.gpus}}]

    def remote(self, **_: Any) -> Callable[[Callable[[CellTask], Any]], Any]:
        return lambda function: SimpleNamespace(remote=lambda task: self._hand_out(function, task))

    def _hand_out(self, function: Callable[[CellTask], Any], task: CellTask) -> Any:
        self.asked += 1
        return lambda: function(task)

    def wait(self, references: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        return references[:num_returns], references[num_returns:]

    def get(self, reference: Any) -> Any:
        if self.deaths:
            raise getattr(self.exceptions, self.deaths.pop(0))("it died\nand more")
        return reference()

    def cancel(self, reference: Any, force: bool) -> None: ...


@pytest.fixture(scope="module")
def task() -> CellTask:
    tasks = plan_experiment(Experiment("BankHeist", SETTINGS)).tasks
    return next(task for task in tasks if task.arm.name == "random")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where workers write."""
    found = tmp_path / "cells"
    monkeypatch.setattr(engine_ray, "local_folder", lambda: found)
    return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "s.sqlite") as found:
        yield found


def run(
    ray: FakeRay, store: Store, task: CellTask, patch: pytest.MonkeyPatch, gpus: float = 0.0
) -> list[EngineEvent]:
    patch.setattr(engine_ray, "_ray", lambda: ray)
    waiting = [task]
    return list(RayEngine(store, gpus=gpus).run(lambda: waiting.pop() if waiting else None))


def test_a_cell_is_kept_where_it_was_played_until_the_driver_has_it(
    task: CellTask, folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = play_apart(task)
    assert record.complete
    assert (folder / f"{task.key}.sqlite").exists(), "the driver may be dead by now"
    monkeypatch.setattr(cell_play, "ArmGames", lambda *_: pytest.fail("played again"))
    assert play_apart(task) == record
    run(FakeRay(), store, task, monkeypatch)
    assert store.cell(task.key) == record
    assert list(folder.iterdir()) == []


def test_cells_that_nobody_came_back_for_go_by_their_age(task: CellTask, folder: Path) -> None:
    folder.mkdir()
    day = 86_400
    ages = {
        "old.sqlite": KEPT_DAYS + 1, "old.sqlite-wal": KEPT_DAYS + 1, "young.sqlite": KEPT_DAYS - 1,
        "busy.sqlite": KEPT_DAYS + 1, "busy.sqlite-wal": 0.0,
    }  # fmt: skip
    for name, days in ages.items():
        (folder / name).write_bytes(b"")
        os.utime(folder / name, (time.time() - days * day,) * 2)
    play_apart(task)
    left = {file.name for file in folder.iterdir()}
    assert left == {"young.sqlite", "busy.sqlite", "busy.sqlite-wal", f"{task.key}.sqlite"}


@pytest.mark.parametrize("death", LOST)
def test_whatever_a_cell_died_of_it_is_played_again(
    death: str, task: CellTask, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = FakeRay((death,))
    events = run(ray, store, task, monkeypatch)
    assert [type(event) for event in events] == [CellBegan, WorkerLost, CellBegan, CellDone]
    assert isinstance(events[1], WorkerLost)
    assert events[1].reason == "it died"
    assert ray.asked == 2


def test_a_cell_over_which_everybody_dies_is_one_line(
    task: CellTask, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = FakeRay(("OutOfMemoryError", "NodeDiedError", "WorkerCrashedError"))
    with pytest.raises(UsageError, match="3 workers died over cell BankHeist random: it died"):
        run(ray, store, task, monkeypatch)


@pytest.mark.parametrize(
    ("wanted", "there", "message"),
    [
        (1.0, 0.0, r"1 GPU\(s\) for each cell, but no machine of the Ray cluster has more than 0"),
        (0.5, 0.25, r"0\.5 GPU\(s\) for each cell, .* more than 0\.25"),
        (-1.0, 1.0, "gpus must lie in 0..1 or be a whole number, got -1"),
        (1.5, 4.0, "gpus must lie in 0..1 or be a whole number, got 1.5"),
        (float("nan"), 4.0, "gpus must lie in 0..1 or be a whole number, got nan"),
    ],
)
def test_gpus_that_nobody_has_are_refused_at_once(
    wanted: float, there: float, message: str, task: CellTask, store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ray = FakeRay(gpus=there)
    with pytest.raises(UsageError, match=message):
        run(ray, store, task, monkeypatch, gpus=wanted)
    assert ray.asked == 0


def test_gpus_that_are_there_are_taken(
    task: CellTask, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = run(FakeRay(gpus=1.0), store, task, monkeypatch, gpus=0.25)
    assert isinstance(events[-1], CellDone)


def test_ray_has_these_deaths() -> None:
    exceptions = pytest.importorskip("ray.exceptions")
    for name in LOST:
        assert issubclass(getattr(exceptions, name), exceptions.RayError)
