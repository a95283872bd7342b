"""What one driver promises of every run: a killed one's curve is the uninterrupted one's."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sap_rl.training.run as driver
from sap_rl import Agent, UsageError
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.run import ArmEnded
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import ArmFacts, ArmStats, make_row
from sap_rl.play.arms import Arm
from sap_rl.play.rollout import Episode
from sap_rl.training.curve import CurveWriter
from sap_rl.training.events import CheckpointWritten, Evaluated, Finished, Moment
from sap_rl.training.run import Run, play_evaluation
from tests.training.dqn import small_run
from tests.training.harden import small_harden

Make = Callable[..., Run]
Lines = list[dict[str, str]]


def train(folder: Path, *, every: int = 240, lam: float = 0.25, **options: Any) -> Run:
    """Checkpoints at 120, 240, 360 and 480 steps; lines where no checkpoint is."""
    settings = replace(
        small_run.SETTINGS, steps=480, warmup_steps=40, checkpoint_steps=120, log_updates=3,
        eval_steps=every, eval_lambda=lam,
    )  # fmt: skip
    return small_run.make_training(folder, settings, **options)


def harden(folder: Path, *, every: int = 20, **options: Any) -> Run:
    """Checkpoints at 10, 20 and 30 updates; lines where no checkpoint is."""
    settings = replace(
        small_harden.SETTINGS, updates=30, teacher_frames=40, checkpoint_updates=10, log_updates=3,
        eval_updates=every,
    )  # fmt: skip
    return small_harden.make_hardening(folder, settings, **options)


@pytest.fixture(scope="module", autouse=True)
def agents() -> Iterator[list[Agent]]:
    """Evaluations at once; their mean tells the agent's weights. The agents that played."""
    found: list[Agent] = []

    def play(agent: Agent, plan: Settings) -> Iterator[Row | None]:
        found.append(agent)
        for lam in sorted({0.0, *plan.lams}):
            yield None
            mean = 100 + 100 * float(sum(p.detach().mean() for p in agent.module.parameters()))
            games = ArmStats([Episode(0, mean - lam, 10, truncated=False)])
            yield make_row(plan, Arm("original", lam, "own" if lam else None), ArmFacts(), games)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "play_evaluation", play)
        yield found


@pytest.fixture
def played(agents: list[Agent]) -> list[Agent]:
    agents.clear()
    return agents


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, agents: object) -> dict[Make, Lines]:
    """The curves of uninterrupted runs."""
    found = {}
    for make in (train, harden):
        folder = tmp_path_factory.mktemp("whole")
        go(make(folder), folder)
        found[make] = curve_of(folder)
    return found


def go(run: Run, folder: Path, until: Callable[[Moment], bool] = lambda _: False) -> list[Moment]:
    """Run with its curve; `until` an event, at which it is killed before anything is noted."""
    curve, events = CurveWriter(folder), []
    for event in run.run():
        events.append(event)
        if until(event):
            break
        curve(event)
    return events


def curve_of(folder: Path) -> Lines:
    """The lines without time, and without those that mark restarts."""
    with (folder / "curve.csv").open() as file:
        lines = [line | {"seconds": ""} for line in csv.DictReader(file)]
    return [line for line in lines if line["event"] != "resume"]


def checkpoint(number: int) -> Callable[[Moment], bool]:
    return lambda event: isinstance(event, CheckpointWritten) and event.number == number


def attacked(event: Moment) -> bool:
    return isinstance(event, Evaluated) and event.row.lam > 0 and event.updates > 0


KILLS = {
    "after a checkpoint with an evaluation": checkpoint(2),
    "after one without": checkpoint(1),
    "between checkpoints": lambda event: event.updates >= 17,
    "within an evaluation": attacked,
    "after an evaluation": lambda event: event.updates > 27,
}


@pytest.mark.parametrize("make", [train, harden])
@pytest.mark.parametrize("kill", KILLS)
def test_a_killed_runs_curve_is_the_whole_ones(
    whole: dict[Make, Lines], make: Make, kill: str, tmp_path: Path
) -> None:
    go(make(tmp_path), tmp_path, KILLS[kill])
    go(make(tmp_path, resume=True), tmp_path)
    assert curve_of(tmp_path) == whole[make]
    assert [line["event"] for line in whole[make] if line["event"]] == [
        "eval-0", "eval-0.25" if make is train else "eval-8",
    ] * 2  # fmt: skip


@pytest.mark.parametrize(("make", "last"), [(train, 4), (harden, 3)])
def test_a_run_killed_in_its_last_evaluation_plays_just_that(
    make: Make, last: int, tmp_path: Path, played: list[Agent]
) -> None:
    every = 480 if make is train else 30
    names = ["eval-0", "eval-0.25" if make is train else "eval-8"]
    cut = tmp_path / "cut"
    for kill in (checkpoint(last), attacked):
        resumed = (cut / "checkpoints").exists()
        events = go(make(cut, every=every, resume=resumed), cut, kill)
        assert not isinstance(events[-1], Finished)
    played.clear()
    events = go(make(cut, every=every, resume=True), cut)
    assert [type(event) for event in events[1:]] == [Evaluated, Evaluated, Finished]
    assert isinstance(events[-1], Finished)
    assert events[-1].complete
    assert len(played) == 1
    assert [line["event"] for line in curve_of(cut)][-2:] == names
    played.clear()
    if make is train:
        with pytest.raises(UsageError, match="are made already"):
            make(cut, every=every, resume=True)
    else:
        assert len(go(make(cut, every=every, resume=True), cut)) == 2
    assert not played


def test_an_evaluation_that_was_stopped_is_made_up_for(tmp_path: Path, played: list[Agent]) -> None:
    run = train(tmp_path)
    curve = CurveWriter(tmp_path)
    for event in run.run():
        curve(event)
        if isinstance(event, Evaluated):
            run.request_stop()
    assert [line["event"] for line in curve_of(tmp_path)][-1] == "eval-0"
    events = go(train(tmp_path, resume=True), tmp_path)
    assert [event.steps // 240 for event in events if isinstance(event, Evaluated)] == [1, 1, 2, 2]
    names = [line["event"] for line in curve_of(tmp_path) if line["event"]]
    assert names == ["eval-0", "eval-0.25"] * 2


def test_a_pause_takes_none_of_the_runs_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a clock that is an hour ahead after the pause the whole run takes less than that."""
    late = SimpleNamespace(by=0.0)
    clock = SimpleNamespace(perf_counter=lambda: time.perf_counter() + late.by)
    monkeypatch.setattr(driver, "time", clock)
    run = train(tmp_path)
    seconds = []
    for event in run.run():
        if isinstance(event, CheckpointWritten):
            with run.paused():
                late.by += 3600
        seconds.append(event.seconds)
    assert late.by == 4 * 3600
    assert seconds == sorted(seconds)
    assert seconds[-1] < 3600


def test_what_was_played_stays_where_the_lambda_changes(tmp_path: Path) -> None:
    go(train(tmp_path), tmp_path, lambda event: event.updates > 25)
    before = curve_of(tmp_path)
    assert before[-1]["event"] == "eval-0.25"
    go(train(tmp_path, lam=1.0, resume=True), tmp_path)
    assert curve_of(tmp_path)[: len(before)] == before
    assert curve_of(tmp_path)[-1]["event"] == "eval-1"


def test_without_a_curve_nothing_is_made_up_for(tmp_path: Path, played: list[Agent]) -> None:
    """Nobody kept the last evaluation: it does not come again with every resume."""
    for event in harden(tmp_path, every=30).run():
        if isinstance(event, CheckpointWritten) and event.updates == 30:
            break
    assert len(played) == 1
    assert len(list(harden(tmp_path, every=30, resume=True).run())) == 2
    assert len(played) == 1


def test_a_torn_line_is_no_evaluation(tmp_path: Path) -> None:
    """A kill may leave a line that lacks but its last digits."""
    go(train(tmp_path), tmp_path, checkpoint(3))
    path = tmp_path / "curve.csv"
    lines = path.read_text().splitlines(keepends=True)
    end = next(number for number, line in enumerate(lines) if "eval-0.25" in line)
    whole = curve_of(tmp_path)
    path.write_text("".join(lines[:end]) + lines[end].rstrip()[:-1])
    for later in (tmp_path / "checkpoints").glob("000003/*"):
        later.unlink()
    go(train(tmp_path, resume=True), tmp_path, checkpoint(3))
    assert curve_of(tmp_path) == whole


def test_a_run_is_resumed_by_its_own_kind(tmp_path: Path) -> None:
    go(train(tmp_path), tmp_path, checkpoint(1))
    with pytest.raises(UsageError, match="another run's; resume it with sap-rl train"):
        harden(tmp_path, resume=True)


def test_a_checkpoint_of_a_later_version_is_refused(tmp_path: Path) -> None:
    go(train(tmp_path), tmp_path, checkpoint(1))
    state = tmp_path / "checkpoints" / "000001" / "state.json"
    state.write_text(state.read_text().replace('"format": 2', '"format": 3'))
    with pytest.raises(UsageError, match="format 3 is newer than this version's 2"):
        train(tmp_path, resume=True)


def test_arms_are_told_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clean play first, whichever of two threads is done first."""
    plan = Settings(game="Pong", lams=(2.0,), episodes=1, controls=False)
    arms = [Arm("original"), Arm("original", 2.0, "own")]
    games = ArmStats([Episode(0, 1.0, 10, truncated=False)])
    ends = [ArmEnded(arm, make_row(plan, arm, ArmFacts(), games)) for arm in arms]
    both = SimpleNamespace(arms=arms, play=lambda: reversed(ends))
    monkeypatch.setattr(driver, "EvaluationRun", lambda *_: both)
    rows = play_evaluation(small_harden.teacher(), plan)
    assert [row.lam for row in rows if row is not None] == [0.0, 2.0]
