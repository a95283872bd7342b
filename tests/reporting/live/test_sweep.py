"""What a sweep's listeners show and write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import make_row
from sap_rl.play.arm_stats import ArmFacts, ArmStats
from sap_rl.play.arms import Arm
from sap_rl.play.rollout import Episode
from sap_rl.reporting.live.sweep import SweepBars, estimate_lines
from sap_rl.reporting.tables.evaluation import console
from sap_rl.sweep.engines import CellBegan, WorkerLost
from sap_rl.sweep.estimate import CellEstimate
from sap_rl.sweep.experiments import CellTask, Experiment
from sap_rl.sweep.run import CellEnded, CellsAdded, SweepPlanned
from sap_rl.sweep.worker import CellProgress
from tests.reporting.made import evaluation

SETTINGS = Settings("BankHeist", (4.0,), defense="sap-100", episodes=2, seed=5)
EXPERIMENT = Experiment("BankHeist", SETTINGS)
CLEAN = CellTask(EXPERIMENT, Arm("original"), "key-clean", 0, 2, {})
ATTACKED = CellTask(EXPERIMENT, Arm("defended", 4.0, "own"), "key-attacked", 0, 2, {})
EPISODES = [Episode(0, 10.0, 5, False), Episode(1, 30.0, 5, False)]


def ended(task: CellTask, *, kept: bool = False) -> CellEnded:
    arm_stats = ArmStats(EPISODES, steps=10, seconds=4.0)
    facts = ArmFacts(attack="fgsm", defense="sap-100") if task.arm.victim else ArmFacts()
    row = make_row(SETTINGS, task.arm, facts, arm_stats)
    return CellEnded(task, replace(row, flip_rate=0.75 if task.arm.victim else None), kept)


def events() -> Iterator[Any]:
    yield SweepPlanned((CLEAN, ATTACKED), kept=1, begun=1, outdated=3)
    yield ended(CLEAN, kept=True)
    yield CellBegan(ATTACKED)
    yield CellProgress(ATTACKED, 1, 8, 2.0, (EPISODES[0],))
    yield WorkerLost(ATTACKED, "exit status -9")
    yield CellBegan(ATTACKED)
    yield CellProgress(ATTACKED, 2, 9, 2.0, (EPISODES[1],))
    yield ended(ATTACKED)
    later = replace(CLEAN, first=2, end=3, key="later")
    yield CellsAdded(EXPERIMENT, 3, (later,))
    yield CellBegan(later)


def test_lines_where_there_is_no_terminal() -> None:
    screen = console(force_terminal=False)
    with screen.capture() as shown, SweepBars(screen) as bars:
        for event in events():
            bars(event)
    assert shown.get().splitlines() == [
        "2 cells, 1 kept from before, 1 begun; 3 of other code or packages are not used (their "
        "rows stay) and played again",
        "a worker died over BankHeist sap-100, fgsm at lambda 4, own gradient (exit status -9); "
        "another goes on",
        "[2/2] BankHeist sap-100, fgsm at lambda 4, own gradient: return 20.0 over 2 episodes, 4 s",
        "BankHeist sap-100 fgsm seed 5: intervals are not narrow yet, on to 3 episodes",
    ]


def test_a_bar_for_every_cell_that_is_being_played() -> None:
    bars = SweepBars(console(force_terminal=True))
    seen = []
    for event in events():
        bars(event)
        seen.append([task.description for task in bars.bar.tasks])
    assert seen[1] == ["sweep"]
    assert seen[2] == ["sweep", "BankHeist sap-100, fgsm at lambda 4, own gradient"]
    assert seen[4] == ["sweep"]
    assert seen[7] == ["sweep"]
    assert seen[9] == ["sweep", "BankHeist original, episodes 2 to 2"]
    whole = bars.bar.tasks[0]
    assert whole.completed == whole.total


def test_estimates_are_lines_and_a_sum() -> None:
    given = [CellEstimate(CLEAN, None), CellEstimate(ATTACKED, 50.0), CellEstimate(ATTACKED, 550.0)]
    assert list(estimate_lines(given, 2)) == [
        "BankHeist original: 2 episodes, kept from before",
        "BankHeist sap-100, fgsm at lambda 4, own gradient: 2 episodes, 50 s",
        "BankHeist sap-100, fgsm at lambda 4, own gradient: 2 episodes, 9 min",
        "3 cells: about 10 min of one core, 5 min with 2 worker(s) of this speed; if episodes are "
        "as long as in clean play",
    ]


def test_estimates_under_a_stopping_rule_say_the_most() -> None:
    """Not only the first look: that would promise a tenth of what may be played."""
    given = [CellEstimate(CLEAN, None, 80.0, 20), CellEstimate(ATTACKED, 50.0, 550.0, 20)]
    assert list(estimate_lines(given, 2)) == [
        "BankHeist original: 2 episodes, kept from before; the first look of up to 20 episodes, "
        "at most 80 s",
        "BankHeist sap-100, fgsm at lambda 4, own gradient: 2 episodes, 50 s; the first look of up "
        "to 20 episodes, at most 9 min",
        "2 cells: about 50 s of one core, 25 s with 2 worker(s) of this speed; if episodes are as "
        "long as in clean play",
        "That is the first look alone. Played to the most episodes: 10 min of one core, 5 min with "
        "2 worker(s)",
    ]


def test_tensorboard_shows_returns_as_they_come_and_hparams(tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    from sap_rl.reporting.live.tensorboard import SweepWriter

    silent = CellTask(EXPERIMENT, Arm("defended", 2.0, "own"), "key-silent", 0, 2, {})
    later = CellTask(EXPERIMENT, Arm("original", 2.0, "own"), "key-block", 2, 4, {})
    told = CellProgress(later, 1, 9, 2.0, (Episode(3, 30.0, 5, False),))
    writer = SweepWriter(tmp_path)
    for event in (*events(), ended(silent), told, told, ended(later)):
        writer(event)
        if isinstance(event, CellProgress) and len(event.ended) == 1:
            assert list(tmp_path.glob("BankHeist_sap-100_fgsm_seed_5/*")), "there while it plays"
    writer.close([(EXPERIMENT.title, evaluation())])

    def read(folder: Path) -> Any:
        found = event_accumulator.EventAccumulator(str(folder))
        found.Reload()
        return found

    returns = read(tmp_path / "BankHeist_sap-100_fgsm_seed_5")
    for arm in ("original/lambda_0", "defended-own/lambda_4"):
        scalars = returns.Scalars(f"eval/BankHeist/{arm}/return")
        assert [(s.step, s.value) for s in scalars] == [(0, 10.0), (1, 30.0)]
    late = returns.Scalars("eval/BankHeist/defended-own/lambda_2/return")
    assert [(s.step, s.value) for s in late] == [(0, 10.0), (1, 30.0)], "none was told while played"
    block = returns.Scalars("eval/BankHeist/original/lambda_2/return")
    assert sorted((s.step, s.value) for s in block) == [(2, 10.0), (3, 30.0)], "each once"
    assert returns.Tags()["images"] == ["eval/BankHeist/return_lambda"]
    rate = returns.Scalars("eval/BankHeist/defended-own/lambda_4/flip_rate")
    assert [(s.step, s.value) for s in rate] == [(2, 0.75)]
    cells = tmp_path / "cells" / "BankHeist_sap-100_fgsm_seed_5"
    assert (cells / "original_lambda_2_from_2").is_dir()
    cell = read(cells / "defended-own_lambda_4")
    assert [s.value for s in cell.Scalars("cell/return")] == [20.0]
    plugin = cell.summary_metadata["_hparams_/session_start_info"].plugin_data
    assert plugin.plugin_name == "hparams"
    for text in (b"defended-own", b"sap-100", b"fgsm", b"lambda"):
        assert text in plugin.content
    assert read(cells / "original_lambda_0").Tags()["scalars"] == [
        "cell/return", "cell/normalised"
    ]  # fmt: skip
