"""Runs that are resumed, stopped, killed, refused; what they tell."""

from __future__ import annotations

import csv
import errno
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sap_rl import Agent, Preprocess, load_agent
from sap_rl.errors import UsageError
from sap_rl.training import checkpoint
from sap_rl.training.checkpoint import latest_checkpoint, read_checkpoint
from sap_rl.training.curve import COLUMNS, CurveWriter, curve_line
from sap_rl.training.dqn.run import Training
from sap_rl.training.dqn.settings import TrainSettings
from sap_rl.training.events import (
    CheckpointWritten,
    EpisodeEnded,
    Evaluated,
    Finished,
    Started,
    Updated,
)
from sap_rl.training.trainee import Diverged
from tests.training.dqn.corridor import Corridor, small_network
from tests.training.dqn.small_run import SETTINGS, make_training
from tests.training.saved_runs import assert_same, of, state_of


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """An uninterrupted run and its events."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, list(make_training(folder).run())


def test_events_add_up(whole: tuple[Path, list[Any]]) -> None:
    folder, events = whole
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    assert events[-1].complete
    assert 1200 <= events[-1].steps < 1204
    assert [e.number for e in of(CheckpointWritten, events)] == [1, 2, 3, 4]
    games = of(EpisodeEnded, events)
    assert [game.episodes for game in games] == list(range(1, len(games) + 1))
    assert {game.ret for game in games} <= {0.0, 5.0}
    window = [game.ret for game in games][-100:]
    assert games[-1].mean_return == pytest.approx(sum(window) / len(window))
    learned = events[-1].steps - 100  # what precedes the warm-up owes nothing
    assert abs(events[-1].updates - learned / 8) <= 1
    assert len(of(Updated, events)) == events[-1].updates // 20
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == ["000003", "000004"]
    assert len(list((folder / "snapshots").iterdir())) == 2
    kept = folder / "checkpoints" / "000004"
    assert max(p.stat().st_size for p in kept.glob("*.safetensors")) < 8e6


def test_resumed_equals_uninterrupted(whole: tuple[Path, list[Any]], tmp_path: Path) -> None:
    for event in make_training(tmp_path).run():
        if isinstance(event, CheckpointWritten) and event.number == 2:
            break
    events = list(make_training(tmp_path, resume=True).run())
    assert events[0].restart == "resume"
    assert 600 <= events[0].steps < 604
    assert_same(whole[0], tmp_path)


def test_another_seed_is_another_run(whole: tuple[Path, list[Any]], tmp_path: Path) -> None:
    training = make_training(tmp_path)
    training.seed = 4
    list(training.run())
    parts, others = state_of(whole[0])[1], state_of(tmp_path)[1]
    assert not parts["weights", "2.weight"].equal(others["weights", "2.weight"])


def test_a_stop_saves_and_the_run_goes_on(tmp_path: Path) -> None:
    training = make_training(tmp_path)
    events = []
    for event in training.run():
        events.append(event)
        if isinstance(event, Updated) and event.updates >= 40:
            training.request_stop()
    assert not events[-1].complete
    assert isinstance(events[-2], CheckpointWritten)
    assert training.envs.closed
    stopped = events[-1].steps
    again = list(make_training(tmp_path, resume=True).run())
    assert again[0].steps == stopped
    assert again[-1].complete


def test_without_a_saved_replay_updates_wait_for_new_transitions(tmp_path: Path) -> None:
    settings = replace(SETTINGS, save_replay=False)
    for event in make_training(tmp_path, settings).run():
        if isinstance(event, CheckpointWritten):
            break
    training = make_training(tmp_path, settings, resume=True)
    before = training.learner.updates
    assert training.replay.transitions == 0
    events = list(training.run())
    assert events[-1].complete
    assert abs(events[-1].updates - before - (events[-1].steps - 300 - 80) / 8) <= 2


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_run_resumes(whole: tuple[Path, list[Any]], tmp_path: Path, kills: int) -> None:
    """SIGKILL at random moments; the end is the uninterrupted run's, bit for bit."""
    rng = random.Random(kills)
    root = str(Path(__file__).parents[3])
    command = [sys.executable, "-m", "tests.training.dqn.small_run", str(tmp_path)]
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
    if last is None or read_checkpoint(last).progress.steps < SETTINGS.steps:
        list(make_training(tmp_path, resume=last is not None).run())
    assert_same(whole[0], tmp_path)


def test_a_full_disk_is_told_and_the_last_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = make_training(tmp_path)
    run = training.run()
    for event in run:
        if isinstance(event, CheckpointWritten):
            break
    real = checkpoint._write

    def full(path: Path, data: bytes) -> None:
        if path.name == "target.safetensors":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, data)

    monkeypatch.setattr(checkpoint, "_write", full)
    with pytest.raises(UsageError, match=r"checkpoint 2 .*No space left .*checkpoints/000001"):
        list(run)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["000001"]
    monkeypatch.undo()
    assert list(make_training(tmp_path, resume=True).run())[-1].complete


def test_a_torn_checkpoint_is_passed_over(tmp_path: Path) -> None:
    list(make_training(tmp_path).run())
    weights = tmp_path / "checkpoints" / "000004" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    last = latest_checkpoint(tmp_path / "checkpoints")
    assert last is not None
    assert last.name == "000003"


def test_divergence_names_the_step_and_the_last_checkpoint(tmp_path: Path) -> None:
    training = make_training(tmp_path)
    run = training.run()
    for event in run:
        if isinstance(event, CheckpointWritten):
            break
    next(training.learner.network.parameters()).data.fill_(float("nan"))
    with pytest.raises(Diverged, match=r"by update \d+.*, step \d+; last good .*/000001"):
        list(run)


def test_init_from_goes_on_from_an_agent(tmp_path: Path) -> None:
    facts = {"training": {"agent_steps": 500, "updates": 70, "minutes": 2}}
    agent = Agent(small_network(2, 9), Preprocess(), "old", game="Pong", facts=facts)
    training = make_training(tmp_path, init_from=agent)
    assert training.epsilon == SETTINGS.epsilon_final
    assert training.learner.learning_rate == pytest.approx(1e-4 / 5)
    for one, two in zip(
        training.learner.target.parameters(), agent.module.parameters(), strict=True
    ):
        assert one.equal(two)
    curve = CurveWriter(tmp_path)
    events = []
    for event in training.run():
        curve(event)
        events.append(event)
    assert (events[0].steps, events[0].updates, events[0].restart) == (500, 70, "init")
    assert events[0].seconds == pytest.approx(120, abs=5)
    assert abs(events[-1].updates - 70 - (1200 - 500 - 80) / 8) <= 2
    with curve.path.open() as file:
        lines = list(csv.DictReader(file))
    assert lines[0]["event"] == "init"
    assert all(int(line["steps"]) >= 500 for line in lines)


@pytest.mark.parametrize(
    "training",
    [
        3, {}, {"agent_steps": "many", "minutes": float("nan")},
        {"agent_steps": True, "updates": -5}, {"agent_steps": 10**400, "minutes": float("inf")},
    ],
)  # fmt: skip
def test_a_card_that_states_no_steps_begins_at_none(tmp_path: Path, training: object) -> None:
    facts = {"training": training}
    agent = Agent(small_network(2, 9), Preprocess(), "old", game="Pong", facts=facts)
    begun = make_training(tmp_path, init_from=agent)
    begun.envs.close()
    assert (begun.progress.steps, begun.progress.updates, begun.progress.seconds) == (0, 0, 0)


@pytest.mark.parametrize(
    ("game", "entries", "message"),
    [
        ("Breakout", {}, "agent 'old' plays Breakout, not Pong"),
        ("Pong", {"order": "newest_first"}, "sees order=newest_first, training order=oldest_first"),
        ("Pong", {"grey": "pooled"}, "sees grey=pooled, training grey=first"),
        (None, {"frameskip": 3}, "sees frameskip=3, training frameskip=4"),
    ],
)
def test_a_parent_of_another_world_is_refused(
    tmp_path: Path, game: str | None, entries: dict[str, Any], message: str
) -> None:
    """Its tensors would fit: nothing else tells."""
    agent = Agent(small_network(2, 9), Preprocess(**entries), "old", game=game)
    with pytest.raises(UsageError, match=message):
        make_training(tmp_path, init_from=agent)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("game", ["Pong", None])
def test_sticky_actions_of_a_parent_do_not_matter(tmp_path: Path, game: str | None) -> None:
    agent = Agent(small_network(2, 9), Preprocess(sticky_actions=0.25), "old", game=game)
    make_training(tmp_path, init_from=agent).envs.close()


def test_the_curve_after_init_begins_with_the_parents(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    rows = ["100,10,5.0,1,2.00,0.1,,", "400,60,9.0,3,4.00,0.1,,", "900,99,20.0,5,6.00,0.1,,"]
    (parent / "curve.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    facts = {"training": {"agent_steps": 500, "updates": 70}}
    agent = Agent(small_network(2, 9), Preprocess(), "old", game="Pong", facts=facts)
    run = tmp_path / "run"
    training = make_training(run, init_from=agent)
    curve = CurveWriter(run, parent)
    for event in training.run():
        curve(event)
    with curve.path.open() as file:
        lines = list(csv.DictReader(file))
    assert [line["steps"] for line in lines[:3]] == ["100", "400", "500"]
    assert [line["event"] for line in lines[:3]] == ["", "", "init"]
    assert curve_line(run, 450) == lines[1]
    assert curve_line(run, 50) is None


def test_a_run_older_than_an_option_is_resumed_with_its_default(tmp_path: Path) -> None:
    list(make_training(tmp_path, replace(SETTINGS, steps=300)).run())
    state = tmp_path / "checkpoints" / "000001" / "state.json"
    saved = json.loads(state.read_text())
    assert saved["run"]["made_with"]["threads"] == 1
    del saved["run"]["settings"]["network"], saved["run"]["made_with"]
    state.write_text(json.dumps(saved))
    with pytest.raises(UsageError, match="network=nature, not dueling"):
        make_training(tmp_path, replace(SETTINGS, network="dueling"), resume=True)
    make_training(tmp_path, resume=True).envs.close()


def test_the_curve_of_a_resumed_run_has_no_line_twice(tmp_path: Path) -> None:
    curve = CurveWriter(tmp_path)
    for event in make_training(tmp_path).run():
        curve(event)
        if isinstance(event, Updated) and event.steps > 700:
            break
    with curve.path.open("a") as file:
        file.write("740,8")  # a kill tore the last line
    for event in make_training(tmp_path, resume=True).run():
        curve(event)
    with curve.path.open() as file:
        lines = list(csv.DictReader(file))
    steps = [int(line["steps"]) for line in lines if not line["event"]]
    assert steps == sorted(set(steps))
    assert [int(line["steps"]) // 300 for line in lines if line["event"] == "resume"] == [2]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"gamma": 0.5}, "gamma=0.99, not 0.5"), ({"num_envs": 8}, "num_envs=4, not 8")],
)
def test_a_run_is_resumed_as_it_was_begun(
    whole: tuple[Path, list[Any]], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        make_training(whole[0], replace(SETTINGS, steps=2000, **change), resume=True)


def test_folders_that_do_not_fit_are_refused(whole: tuple[Path, list[Any]], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="already holds a run"):
        make_training(whole[0])
    with pytest.raises(UsageError, match="nothing to resume"):
        make_training(tmp_path / "none", resume=True)
    with pytest.raises(UsageError, match="are made already"):
        make_training(whole[0], resume=True)
    with pytest.raises(UsageError, match="not a nature network with this game's actions"):
        make_training(tmp_path, init_from=replace(load_agent("BankHeist"), game=None))
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        make_training(tmp_path / "file")


def test_a_real_game_with_evaluation(tmp_path: Path) -> None:
    settings = TrainSettings(
        steps=64, num_envs=2, batch_size=4, update_period=8, warmup_steps=16, replay_frames=64,
        checkpoint_steps=64, log_updates=2, eval_steps=64, eval_episodes=1, max_frames=2000,
    )  # fmt: skip
    training = Training(settings, tmp_path, game="Pong")
    calls = []
    for event in training.run():
        calls.append(event)
        if isinstance(event, Evaluated):
            training.request_stop()
    assert [event.row.lam for event in of(Evaluated, calls)] == [0.0]
    assert of(Evaluated, calls)[0].row.returns[0] <= 0
    assert torch.get_num_threads() == 1


def test_a_real_game_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    """AtariVectorEnv, the Nature network and two slices in threads."""
    settings = TrainSettings(
        steps=600, num_envs=3, batch_size=8, update_period=8, warmup_steps=60, replay_frames=500,
        target_period=9, checkpoint_steps=200, log_updates=10, eval_steps=0, save_replay=True,
        max_frames=600, optimizer="adam",
    )  # fmt: skip
    for name in ("whole", "cut"):
        training = Training(settings, tmp_path / name, game="BankHeist", threads=2)
        for event in training.run():
            if name == "cut" and isinstance(event, CheckpointWritten) and event.number == 2:
                break
    training = Training(settings, tmp_path / "cut", game="BankHeist", resume=True, threads=2)
    list(training.run())
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_the_corridor_closes(tmp_path: Path) -> None:
    training = make_training(tmp_path)
    assert isinstance(training.envs, Corridor)
    run = training.run()
    next(run)
    run.close()
    assert training.envs.closed
