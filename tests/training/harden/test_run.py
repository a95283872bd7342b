"""Hardenings that are resumed, stopped, killed, refused; what they tell."""

from __future__ import annotations

import csv
import itertools
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sap_rl
import sap_rl.training.run as driver
from sap_rl import Agent, Preprocess, load_agent
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import ArmFacts, ArmStats, make_row
from sap_rl.play.arms import Arm
from sap_rl.play.rollout import Episode
from sap_rl.training.checkpoint import latest_checkpoint, read_checkpoint
from sap_rl.training.curve import HARDEN_COLUMNS, CurveWriter, learning_curve
from sap_rl.training.events import (
    CheckpointWritten,
    Evaluated,
    Finished,
    FramesPlayed,
    HardenPlanned,
    HardenStarted,
    HardenUpdated,
)
from sap_rl.training.harden import run as harden
from sap_rl.training.harden.run import Hardening
from sap_rl.training.harden.settings import HardenSettings, asked, harden_settings
from tests.training.dqn.corridor import small_network
from tests.training.harden.small_harden import SETTINGS, make_hardening, teacher
from tests.training.saved_runs import assert_same, of, state_of


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """An uninterrupted hardening and its events."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, list(make_hardening(folder).run())


def test_events_add_up(whole: tuple[Path, list[Any]]) -> None:
    folder, events = whole
    assert isinstance(events[0], HardenStarted)
    assert (events[0].lam, events[0].total_updates, events[0].restart) == (8.0, 60, "")
    assert events[-1] == Finished(events[-1].steps, 60, events[-1].seconds, True)
    assert [e.updates for e in of(CheckpointWritten, events)] == [20, 40, 60]
    updated = of(HardenUpdated, events)
    assert [e.updates for e in updated] == [10, 20, 30, 40, 50, 60]
    assert all(0 <= e.agreement_attacked <= 1 for e in updated)
    # 80 frames of the teacher first, then three steps of four games per ten updates.
    frames = [e.steps for e in of(FramesPlayed, events) if e.updates]
    assert len(frames) == 6
    assert all(0 < b - a <= 12 for a, b in itertools.pairwise(frames))
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == [
        "000001", "000002", "000003",
    ]  # fmt: skip


def test_resumed_equals_uninterrupted(whole: tuple[Path, list[Any]], tmp_path: Path) -> None:
    for event in make_hardening(tmp_path).run():
        if isinstance(event, CheckpointWritten) and event.updates == 40:
            break
    events = list(make_hardening(tmp_path, resume=True).run())
    assert events[0].restart == "resume"
    assert events[0].updates == 40
    assert_same(whole[0], tmp_path)


def test_same_seed_same_bits_and_another_seed_another_run(
    whole: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    list(make_hardening(tmp_path / "same").run())
    assert_same(whole[0], tmp_path / "same")
    list(make_hardening(tmp_path / "other", seed=4).run())
    parts, others = state_of(whole[0])[1], state_of(tmp_path / "other")[1]
    assert not parts["weights", "2.weight"].equal(others["weights", "2.weight"])


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_hardening_resumes(
    whole: tuple[Path, list[Any]], tmp_path: Path, kills: int
) -> None:
    """SIGKILL at random moments; the end is the uninterrupted run's, bit for bit."""
    rng = random.Random(kills)
    root = str(Path(__file__).parents[3])
    command = [sys.executable, "-m", "tests.training.harden.small_harden", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    for _ in range(kills):
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as run:
            assert run.stdout is not None
            assert run.stdout.readline(), "the first event: importing is over"
            time.sleep(rng.random() * 0.6)
            run.kill()
        for path in (tmp_path / "checkpoints").glob("[0-9]*"):
            read_checkpoint(path)
    last = latest_checkpoint(tmp_path / "checkpoints")
    if last is None or read_checkpoint(last).progress.updates < 60:
        list(make_hardening(tmp_path, resume=last is not None).run())
    assert_same(whole[0], tmp_path)


def test_a_stop_saves_and_the_run_goes_on(tmp_path: Path) -> None:
    hardening = make_hardening(tmp_path)
    events = []
    for event in hardening.run():
        events.append(event)
        if isinstance(event, HardenUpdated) and event.updates == 30:
            hardening.request_stop()
    assert events[-1] == Finished(events[-1].steps, 30, events[-1].seconds, False)
    assert isinstance(events[-2], CheckpointWritten)
    again = list(make_hardening(tmp_path, resume=True).run())
    assert (again[0].updates, again[-1].updates, again[-1].complete) == (30, 60, True)


def test_without_saved_frames_the_teacher_plays_first_again(tmp_path: Path) -> None:
    settings = replace(SETTINGS, save_frames=False)
    for event in make_hardening(tmp_path, settings).run():
        if isinstance(event, CheckpointWritten):
            break
    hardening = make_hardening(tmp_path, settings, resume=True)
    assert hardening.examples.ring.transitions == 0
    events = list(hardening.run())
    played = [e for e in of(FramesPlayed, events) if e.updates == 20]
    assert len(played) >= 80 // 12
    assert events[-1].complete


def test_minutes_become_updates_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harden, "FLAT_UPDATES", 12)
    settings = replace(SETTINGS, updates=0, minutes=0.01)
    events = list(make_hardening(tmp_path, settings).run())
    (planned,) = of(HardenPlanned, events)
    assert planned.updates == 12
    assert planned.total_updates >= 12
    assert events[-1].updates == planned.total_updates
    assert read_checkpoint(latest_checkpoint(tmp_path / "checkpoints") or tmp_path).run[
        "settings"
    ]["updates"] == planned.total_updates  # fmt: skip
    complete = make_hardening(tmp_path, settings, resume=True)
    assert [type(event) for event in complete.run()] == [HardenStarted, Finished]
    assert complete.student.updates == planned.total_updates


def test_a_run_of_minutes_can_be_repeated_by_its_updates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harden, "FLAT_UPDATES", 12)
    monkeypatch.setattr("sap_rl.training.harden.student.FLAT_UPDATES", 12)
    asked = replace(SETTINGS, updates=0, minutes=0.04, lam_ramp=0.5)
    events = list(make_hardening(tmp_path / "minutes", asked).run())
    (planned,) = of(HardenPlanned, events)
    list(make_hardening(tmp_path / "updates", replace(asked, updates=planned.total_updates)).run())
    assert_same(tmp_path / "minutes", tmp_path / "updates")


def row(*, mean: float, spread: float) -> Row:
    """Ten clean games of Pong around a mean."""
    returns = tuple((mean + spread * np.linspace(-1, 1, 10)).tolist())
    arm, facts = Arm("original"), ArmFacts()
    episodes = [Episode(i, value, 100, truncated=False) for i, value in enumerate(returns)]
    settings = Settings(game="Pong", lams=(0.0,), episodes=10)
    return make_row(settings, arm, facts, ArmStats(episodes))


def test_an_agent_that_plays_at_random_is_refused_with_its_score(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver, "play_evaluation", lambda *_, **__: [row(mean=-20.5, spread=0.5)])
    hardening = make_hardening(None, replace(SETTINGS, eval_updates=20))
    with pytest.raises(UsageError, match=r"'Small' scores -20.5 over 10 .* random play -20.7"):
        list(hardening.run())
    assert hardening.envs.closed
    monkeypatch.setattr(driver, "play_evaluation", lambda *_, **__: [row(mean=-15.0, spread=2.0)])
    events = list(make_hardening(None, replace(SETTINGS, eval_updates=20)).run())
    assert [e.updates for e in of(Evaluated, events)] == [0, 20, 40, 60]


@pytest.mark.parametrize(
    ("agent", "game", "message"),
    [
        (teacher(), "BankHeist", "'Small' plays Pong, not BankHeist"),
        (load_agent("BankHeist").defend("sap-100"), "BankHeist", "carries sap-100"),
        (
            Agent(torch.nn.Sequential(torch.nn.Dropout(0.5)).train(), Preprocess(), "Noisy"),
            "Pong",
            "'Noisy' is random",
        ),
        (Agent(small_network(3, 5), Preprocess(), "Three"), "Pong", "has 3 actions but Pong has 2"),
    ],
)
def test_agents_that_cannot_be_hardened_are_refused(agent: Agent, game: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_hardening(None, agent=agent, game=game)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lambda": 0}, "lambda 0 leaves nothing"),
        ({"lam": -1}, "at least 0 pixel"),
        ({"lam": "much"}, "lam: cannot use 'much'"),
        ({"updates": 0, "minutes": 0}, "say how long"),
        ({"loss": "polcy"}, "unknown loss 'polcy'.*policy"),
        ({"student_envs": 40}, "student_envs 40 of num_envs 32"),
        ({"temperature": 0}, "temperature must be above 0"),
        ({"bound_weight": 1.5}, "bound_weight must lie in 0..1"),
        ({"batchsize": 3}, "batchsize.*batch_size"),
        ({"corruptions": "rotate,shfit-2"}, "unknown corruption 'shfit'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        harden_settings(options)


def test_a_run_is_resumed_as_it_was_begun(whole: tuple[Path, list[Any]], tmp_path: Path) -> None:
    for change, message in (
        ({"lam": 4.0}, "lam=8.0, not 4.0"),
        ({"updates": 90}, "updates=60, not 90"),
    ):
        with pytest.raises(UsageError, match=message):
            make_hardening(whole[0], replace(SETTINGS, **change), resume=True)
    with pytest.raises(UsageError, match="agent_sha256=5, not 6"):
        make_hardening(whole[0], agent=teacher(6), resume=True)
    with pytest.raises(UsageError, match="already holds a run"):
        make_hardening(whole[0])
    with pytest.raises(UsageError, match="nothing to resume"):
        make_hardening(tmp_path, resume=True)


def test_a_hardening_older_than_an_option_is_resumed_with_its_default(tmp_path: Path) -> None:
    list(make_hardening(tmp_path).run())
    state = tmp_path / "checkpoints" / "000003" / "state.json"
    saved = json.loads(state.read_text())
    del saved["run"]["settings"]["lam_ramp"], saved["run"]["preprocess"]["luma"]
    state.write_text(json.dumps(saved))
    with pytest.raises(UsageError, match=r"lam_ramp=0\.0, not 0\.5"):
        make_hardening(tmp_path, replace(SETTINGS, lam_ramp=0.5), resume=True)
    make_hardening(tmp_path, resume=True).envs.close()
    del saved["run"]["agent"], saved["run"]["preprocess"]
    state.write_text(json.dumps(saved))
    make_hardening(tmp_path, resume=True).envs.close()


@pytest.mark.parametrize("sha256", ["5", None])
def test_a_hardening_is_resumed_with_its_teacher(tmp_path: Path, sha256: str | None) -> None:
    own = replace(teacher(), sha256=sha256, preprocess=Preprocess(crop=(0, 0, 160, 160)))
    list(make_hardening(tmp_path, agent=own).run())
    for change, message in (
        ({"name": "Other"}, "agent=Small, not Other"),
        (
            {"preprocess": Preprocess(crop=(1, 0, 160, 160))},
            r"preprocess\.crop=\(0, .*, not \(1, 0",
        ),
        (
            {"preprocess": replace(own.preprocess, order="newest_first")},
            r"preprocess\.order=oldest",
        ),
    ):
        with pytest.raises(UsageError, match=message):
            make_hardening(tmp_path, agent=replace(own, **change), resume=True)
    make_hardening(tmp_path, agent=own, resume=True).envs.close()


def test_the_curve_of_a_resumed_hardening_has_no_line_twice(tmp_path: Path) -> None:
    curve = CurveWriter(tmp_path)
    for event in make_hardening(tmp_path).run():
        curve(event)
        if isinstance(event, HardenUpdated) and event.updates == 30:
            break
    for event in make_hardening(tmp_path, resume=True).run():
        curve(event)
    with curve.path.open() as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == HARDEN_COLUMNS
    assert [line["updates"] for line in lines if not line["event"]] == [
        "10", "20", "30", "40", "50", "60",
    ]  # fmt: skip
    assert [line["updates"] for line in lines if line["event"] == "resume"] == ["20"]
    assert learning_curve(tmp_path) is None, "its columns are not a training run's"


def test_a_resumed_hardening_is_evaluated_where_the_whole_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[int] = []
    settings = replace(SETTINGS, eval_updates=40)

    def run(folder: Path, *, until: int, resume: bool = False) -> Hardening:
        hardening = make_hardening(folder, settings, resume=resume)

        def note(*_args: object, **_options: object) -> list[None]:
            played.append(hardening.student.updates)
            return []

        monkeypatch.setattr(driver, "play_evaluation", note)
        for event in hardening.run():
            if isinstance(event, CheckpointWritten) and event.updates == until:
                break
        return hardening

    whole = run(tmp_path / "whole", until=99)
    assert played == [0, 40]
    run(tmp_path / "cut", until=20)
    resumed = run(tmp_path / "cut", until=99, resume=True)
    assert played == [0, 40, 0, 40]
    assert resumed.evaluated == whole.evaluated


def test_a_hardening_is_resumed_with_its_threads(tmp_path: Path) -> None:
    run = make_hardening(tmp_path, threads=1).run()
    while not isinstance(next(run), CheckpointWritten):
        pass
    run.close()  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=r"was made with threads=1, not 2: a resumed run keeps it"):
        make_hardening(tmp_path, threads=2, resume=True)
    make_hardening(tmp_path, threads=1, resume=True).envs.close()


def test_minutes_too_few_for_the_ramp_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sap_rl.training.harden.run.FLAT_UPDATES", 10)
    settings = replace(SETTINGS, updates=0, minutes=1e-9, lam_ramp=0.5)
    with pytest.raises(
        UsageError, match="minutes allow 10 updates on this machine, and the budget"
    ):
        list(make_hardening(tmp_path, settings).run())


def test_only_what_is_asked_for_wins_over_settings() -> None:
    """Minutes replace a number of updates that a shipped recipe holds."""
    recipe = HardenSettings(lam=4.0, updates=7, minutes=28.0)
    assert replace(recipe, **asked()) == recipe
    assert replace(recipe, **asked(lam=2.0)) == replace(recipe, lam=2.0)
    assert replace(recipe, **asked(minutes=5.0)) == replace(recipe, minutes=5.0, updates=0)
    assert replace(recipe, **asked(updates=9)) == replace(recipe, updates=9)


def test_harden_gives_an_agent_and_leaves_its_own_alone() -> None:
    """A real game, the Nature network in two slices."""
    agent = load_agent("BankHeist")
    before = {name: value.clone() for name, value in agent.module.state_dict().items()}
    settings = HardenSettings(
        num_envs=2, student_envs=1, teacher_frames=40, play_every=2, play_steps=2,
        ring_frames=200, batch_size=8, clean_size=2, eval_updates=0,
    )  # fmt: skip
    settings = replace(settings, lam=2.0)
    found = sap_rl.harden(agent, "bank_heist", updates=4, settings=settings)
    assert found.name == "BankHeist-hardened"
    assert (found.game, found.num_actions, found.kind) == ("BankHeist", 18, "nature")
    assert found.sha256 is None, "it is another network than its parent's file"
    assert {p.dtype for p in found.module.parameters()} == {torch.float32}
    state = agent.module.state_dict()
    assert all(value.equal(before[name]) for name, value in state.items())
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 84, 84), dtype=np.uint8)
    assert not found.q_values(pixels).equal(agent.q_values(pixels))


def test_a_real_game_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    settings = HardenSettings(
        updates=8, num_envs=2, student_envs=1, teacher_frames=40, play_every=2, play_steps=2,
        ring_frames=200, batch_size=8, clean_size=2, checkpoint_updates=4, eval_updates=0,
        lam_ramp=0.5,
    )  # fmt: skip
    agent = load_agent("BankHeist")
    for name in ("whole", "cut"):
        hardening = Hardening(agent, settings, tmp_path / name, game="BankHeist", threads=2)
        for event in hardening.run():
            if name == "cut" and isinstance(event, CheckpointWritten):
                break
    cut = tmp_path / "cut"
    list(Hardening(agent, settings, cut, game="BankHeist", threads=2, resume=True).run())
    assert_same(tmp_path / "whole", cut)
