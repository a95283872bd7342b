"""Sweeps that play on until intervals are narrow, with games that are made up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.stopping import has_ended
from sap_rl.play.arm_stats import ArmFacts, ArmStats
from sap_rl.play.rollout import Episode
from sap_rl.statistics.sequential import StoppingRule, look
from sap_rl.store.records import CellRecord
from sap_rl.store.store import Store, load_evaluations
from sap_rl.sweep.engines import CellBegan, CellDone, Draw, EngineEvent
from sap_rl.sweep.experiments import Experiment
from sap_rl.sweep.run import CellsAdded, ExperimentEnded, Sweep


class MadeUp:
    """Every episode returns 100 and noise of that size; the attacked ones 0."""

    def __init__(self, store: Store, noise: float, most: int = 1000) -> None:
        self.store, self.noise, self.left = store, noise, most
        self.played: list[tuple[str, int, int]] = []

    def run(self, draw: Draw) -> Iterator[EngineEvent]:
        while self.left and (task := draw()) is not None:
            self.left -= 1
            yield CellBegan(task)
            self.played.append((task.title, task.first, task.end))
            rng = np.random.default_rng([ord(task.arm.name[0]), task.first])
            good = 100.0 if task.arm.victim is None else 0.0
            noise = self.noise if good else 0.0
            episodes = [
                Episode(i, good + noise * float(rng.standard_normal()), 9, False)
                for i in range(task.first, task.end)
            ]
            arm_stats = ArmStats(episodes, steps=9 * len(episodes), seconds=1.0)
            record = CellRecord(task.key, task.manifest, ArmFacts(), arm_stats, True, None)
            self.store.put(record)
            yield CellDone(task, record)


def planned(most: int = 100) -> Experiment:
    rule = StoppingRule(10.0, "percent", least=30, most=most)
    settings = Settings(
        "BankHeist", (4.0,), episodes=30, controls=False, look_level=rule.level_at(30)
    )
    return Experiment("BankHeist", settings, until=rule)


def run(path: Path, noise: float, **options: Any) -> tuple[list[Any], MadeUp]:
    with Store(path) as store:
        engine = MadeUp(store, noise, **options)
        return list(Sweep([planned()], store).run(engine)), engine


def test_narrow_at_the_first_look_ends_there(tmp_path: Path) -> None:
    events, _ = run(tmp_path / "s", noise=5.0)
    (found,) = load_evaluations(tmp_path / "s")
    assert isinstance(events[-1], ExperimentEnded)
    assert [row.episodes for row in found.rows] == [30, 30]
    assert found.complete
    assert found.settings.look_level == planned().until.level_at(30)  # type: ignore[union-attr]


def test_what_is_not_narrow_is_played_on_block_by_block(tmp_path: Path) -> None:
    """Standard deviation 26: bounds are 12.9, 10.9 and 8.6 from the mean of 100."""
    events, engine = run(tmp_path / "s", noise=26.0)
    (found,) = load_evaluations(tmp_path / "s")
    added = [event.episodes for event in events if isinstance(event, CellsAdded)]
    assert added
    assert added[0] == 45
    total = added[-1]
    assert total == 68
    clean = found.row("original")
    assert clean is not None
    assert clean.episodes == len(set(clean.returns)) == total
    assert clean.complete
    assert clean.ci_high is not None
    assert clean.ci_high - clean.mean <= 0.1 * clean.mean  # type: ignore[operator]
    assert ("BankHeist original, episodes 30 to 44", 30, 45) in engine.played
    assert found.settings.episodes == total
    rule = planned().until
    assert rule is not None
    assert found.settings.look_level == rule.level_at(total) > 0.95


def test_the_interval_that_is_printed_is_the_one_that_stops_the_play(tmp_path: Path) -> None:
    """Student's after Hall's transformation, whose coverage under repeated looks is measured."""
    run(tmp_path / "s", noise=30.0)
    (found,) = load_evaluations(tmp_path / "s")
    clean, rule = found.row("original"), planned().until
    assert clean is not None
    assert rule is not None
    interval = look(clean.returns, rule).interval
    assert (clean.ci_low, clean.ci_high) == (interval.low, interval.high)


def test_never_narrow_ends_at_the_most(tmp_path: Path) -> None:
    events, _ = run(tmp_path / "s", noise=300.0)
    assert isinstance(events[-1], ExperimentEnded)
    (found,) = load_evaluations(tmp_path / "s")
    assert [row.episodes for row in found.rows] == [100, 100]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_interrupted_it_goes_on_and_gives_the_same(tmp_path: Path, most: int) -> None:
    run(tmp_path / "whole", noise=30.0)
    played = []
    for _ in range(9):
        events, engine = run(tmp_path / "parts", noise=30.0, most=most)
        played += engine.played
        if isinstance(events[-1], ExperimentEnded):
            break
    assert load_evaluations(tmp_path / "parts") == load_evaluations(tmp_path / "whole")
    assert len(set(played)) == len(played), "nothing is played twice"


def test_interrupted_in_its_second_block_the_rule_has_not_ended(tmp_path: Path) -> None:
    rule = planned().until
    assert rule is not None
    run(tmp_path / "parts", noise=30.0, most=3)
    (found,) = load_evaluations(tmp_path / "parts")
    assert found.complete
    assert found.settings.episodes == 30
    assert not has_ended(found, rule)
    assert not has_ended(replace(found, rows=found.rows[:1]), rule)
    run(tmp_path / "parts", noise=30.0)
    assert has_ended(load_evaluations(tmp_path / "parts")[0], rule)
    run(tmp_path / "most", noise=300.0)
    assert has_ended(load_evaluations(tmp_path / "most")[0], rule), "nothing is left to play"


def test_a_plain_sweep_is_the_first_block(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        plain = replace(planned(), until=None)
        list(Sweep([plain], store).run(MadeUp(store, 30.0)))
        engine = MadeUp(store, 30.0)
        list(Sweep([planned()], store).run(engine))
        assert ("BankHeist original", 0, 30) not in engine.played
        assert len(store.evaluations()) == 2


def test_later_blocks_are_of_the_same_question_and_not_outdated(tmp_path: Path) -> None:
    run(tmp_path / "s", noise=300.0)
    with Store(tmp_path / "s") as store:
        again = Sweep([planned()], store)
        assert again.plan().outdated == 0
        (kept,) = store.experiments()
        assert kept.blocks > 1
        assert kept.same_answer(again.planned[0].record())
