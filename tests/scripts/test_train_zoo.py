"""Which game the zoo's training goes to, and what becomes of a run and of an agent."""

from __future__ import annotations

import importlib.util
import re
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from sap_rl.agents import Agent, load_agent
from sap_rl.atari.games import FACTS
from sap_rl.atari.protocol import Preprocess
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import ArmFacts, ArmStats, make_row
from sap_rl.networks.loaders.native import write_native
from sap_rl.networks.nature import nature_network
from sap_rl.play.arms import Arm
from sap_rl.play.rollout import Episode
from sap_rl.training.checkpoint import (
    Progress,
    latest_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from sap_rl.training.dqn.settings import TrainSettings
from sap_rl.training.events import Moment
from sap_rl.training.trainee import Diverged
from sap_rl.zoo import publish as export
from sap_rl.zoo.publish import ExportEvent, GamePlayed, Games
from sap_rl.zoo.score import RIVAL_SEED, score_settings

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_zoo.py"
TINY = """
steps: 320
num_envs: 4
warmup_steps: 100
replay_frames: 2000
update_period: 16
checkpoint_steps: 320
log_updates: 5
eval_steps: 0
"""
CAPS = {"cap_30_minutes": 600, "cap_5_minutes": 300}


@pytest.fixture(scope="module")
def zoo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_zoo", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["train_zoo"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def write_agent(folder: Path, score: float, steps: int) -> None:
    table = {"mean": score, "sd": 1.0, "episodes": 2, "max_frames": 108_000}
    write_native(
        folder, nature_network(18), kind="nature", num_actions=18, game="BankHeist",
        preprocess=Preprocess(),
        facts={"training": {"agent_steps": steps}, "score": {"cap_30_minutes": table}},
    )  # fmt: skip


def test_the_furthest_below_its_bar_is_chosen(zoo: ModuleType) -> None:
    """Shares of the way from random play: 0.5 of 100, 0.2 of 10 with a negative start, 1.1."""
    half = zoo.Standing("Half", 50, 0, 100)
    fifth = zoo.Standing("Fifth", -6, -8, 2)
    above = zoo.Standing("Above", 22, 0, 20)
    assert [s.way for s in (half, fifth, above)] == pytest.approx([0.5, 0.2, 1.1])
    assert zoo.choose([half, above, fifth], steps=10) is fifth
    assert zoo.choose([above, half], steps=10) is half
    assert zoo.choose([above], steps=10) is above, "where all are above, the lowest goes on"


def test_no_agent_is_random_play_and_the_first_of_equals_goes_first(zoo: ModuleType) -> None:
    none = [zoo.Standing(game, f.random, f.random, f.dqn_2_5m) for game, f in FACTS.items()]
    assert [s.way for s in none] == [0.0] * len(FACTS)
    assert zoo.choose(none, steps=10).game == "Assault"
    worse = zoo.Standing("Worse", -21, -20.7, 6.3)
    assert zoo.choose([*none, worse], steps=10) is worse


def test_games_that_are_trained_out_are_left(zoo: ModuleType) -> None:
    done = zoo.Standing("Done", 0, 0, 100, steps=10)
    going = zoo.Standing("Going", 90, 0, 100, steps=9)
    assert zoo.choose([done, going], steps=10) is going
    assert zoo.choose([done], steps=10) is None


def test_every_bar_lies_above_random_play() -> None:
    assert all(facts.dqn_2_5m > facts.random for facts in FACTS.values())  # type: ignore[operator]
    assert FACTS["BankHeist"].dqn_2_5m == 621.0


def test_a_standing_is_read_from_the_card(zoo: ModuleType, tmp_path: Path) -> None:
    write_agent(tmp_path / "BankHeist", 317.6, 800)
    found = zoo.standing("BankHeist", tmp_path, tmp_path / "runs")
    assert (found.score, found.random, found.bar, found.steps) == (317.6, 14.2, 621.0, 800)
    assert found.way == pytest.approx(0.5)
    assert zoo.standing("Pong", tmp_path, tmp_path / "runs").score == -20.7
    with pytest.raises(zoo.UsageError, match="no bar is known for Tetris"):
        zoo.standing("Tetris", tmp_path, tmp_path / "runs")


@pytest.fixture
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(zoo: ModuleType, folder: Path, *more: str) -> int:
    (folder / "tiny.yaml").write_text(TINY)
    argv = ["--games", "BankHeist", "--runs", str(folder / "runs"), "--threads", "1"]
    argv += ["--agents", str(folder / "agents"), "--config", str(folder / "tiny.yaml")]
    status: int = zoo.main([*argv, "--episodes", "2", "--steps", "320", *more])
    return status


@pytest.mark.usefixtures("signals")
def test_a_run_is_exported_from_end_to_end(
    zoo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(export, "CAPS", CAPS)
    monkeypatch.setattr(zoo, "CAP", 600)
    monkeypatch.setattr(zoo, "game_facts", lambda game: replace(FACTS[game], random=-1.0))
    assert run(zoo, tmp_path) == 0
    err = capsys.readouterr().err
    assert "against random play's -1.0; the new agent takes the place" in err
    assert "all games have made 320 steps" in err
    assert load_agent(tmp_path / "agents" / "BankHeist").facts["training"]["agent_steps"] == 320
    assert [path.name for path in (tmp_path / "agents").iterdir()] == ["BankHeist"]


class SlightTraining:
    """Makes `made` steps and a checkpoint in no time."""

    made = 160
    begun: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, settings: TrainSettings, folder: Path, **options: Any) -> None:
        self.folder = folder
        type(self).begun.append(options)
        parent = options["init_from"]
        self.steps = parent.facts["training"]["agent_steps"] if parent else steps_of(folder)

    def request_stop(self) -> None:
        pass

    def run(self) -> Iterator[Moment]:
        write_run(self.folder, self.steps + self.made)
        return iter(())


class SlightExport:
    """Makes an agent of a run at once, which its card gives `score`."""

    total, score = 0, 100.0
    exported: ClassVar[list[int]] = []

    def __init__(self, run: Path, out: Path, **_: Any) -> None:
        self.game, self.folder, self.source = run.name, out / run.name, run
        last = latest_checkpoint(run / "checkpoints")
        assert last is not None
        self.saved = read_checkpoint(last)

    def run(self) -> Iterator[ExportEvent]:
        steps = self.saved.progress.steps
        self.exported.append(steps)
        write_agent(self.folder, self.score, steps)
        yield GamePlayed(1, 1)


def steps_of(folder: Path) -> int:
    last = latest_checkpoint(folder / "checkpoints")
    return 0 if last is None else read_checkpoint(last).progress.steps


def write_run(folder: Path, steps: int) -> None:
    progress = Progress(steps=steps, number=steps)
    write_checkpoint(folder / "checkpoints", progress, {"game": "BankHeist"}, {}, None)


@pytest.fixture
def slight(zoo: ModuleType, monkeypatch: pytest.MonkeyPatch, signals: None) -> type[SlightExport]:
    """Training, export and games without any work; an agent brings home its number of steps."""
    monkeypatch.setattr(zoo, "Training", SlightTraining)
    monkeypatch.setattr(zoo, "Export", SlightExport)
    monkeypatch.setattr(SlightTraining, "begun", [])
    monkeypatch.setattr(SlightExport, "exported", [])
    let_play(monkeypatch, {})
    return SlightExport


def row(*returns: float) -> Row:
    settings = score_settings("BankHeist", episodes=len(returns), seed=7, max_frames=18_000)
    arm_stats = ArmStats(seconds=1.0, steps=10)
    for index, value in enumerate(returns):
        arm_stats.add(Episode(index, value, 7, truncated=False))
    return make_row(settings, Arm("original", 0.0, None), ArmFacts(), arm_stats)


def let_play(
    monkeypatch: pytest.MonkeyPatch,
    returns: dict[int, tuple[float, ...]],
    during: Callable[[], None] = lambda: None,
) -> list[Settings]:
    """Let agents of so many steps bring home these returns, others their number of steps."""
    plans = []

    def play(self: Games, agent: Agent, plan: Settings) -> Generator[ExportEvent, None, Row]:
        plans.append(plan)
        during()
        steps = agent.facts["training"]["agent_steps"]
        found = returns.get(steps, (float(steps),) * plan.episodes)
        yield GamePlayed(1, 1)
        return row(*found)

    monkeypatch.setattr(Games, "play", play)
    return plans


@pytest.mark.parametrize(
    ("stated", "returns", "line", "steps"),
    [
        (900.0, (10.0, 30.0), "20.0 against 25.0 on the same games: -5.0", 160),
        (500.0, (25.0, 25.0), "25.0 against 25.0 on the same games: +0.0", 160),
        (100.0, (20.0, 50.0), "35.0 against 25.0 on the same games: +10.0", 320),
    ],
)
def test_games_of_their_own_decide_between_two_agents(
    zoo: ModuleType, slight: type[SlightExport], tmp_path: Path, stated: float,
    returns: tuple[float, float], line: str, steps: int, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """What the cards state, 500 on the old one, has no say, whichever way it points."""
    write_agent(tmp_path / "agents" / "BankHeist", 500.0, 160)
    monkeypatch.setattr(slight, "score", stated)
    plans = let_play(monkeypatch, {320: returns, 160: (20.0, 30.0)})
    assert run(zoo, tmp_path) == 0
    assert line in capsys.readouterr().err
    assert load_agent(tmp_path / "agents" / "BankHeist").facts["training"]["agent_steps"] == steps
    new, old = plans
    assert new == old, "both play the same games"
    assert new.seed == RIVAL_SEED + 320, "fresh ones for every comparison"
    assert (new.protocol.max_frames, new.protocol.sticky_actions) == (108_000, 0.0)
    assert new.episodes == 2


def test_a_finished_run_that_was_never_exported_is_exported(
    zoo: ModuleType, slight: type[SlightExport], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """320 of 320 steps are made: nothing to train, and yet an agent to be had; once."""
    write_run(tmp_path / "runs" / "BankHeist", 320)
    assert run(zoo, tmp_path) == 0
    assert "all games have made 320 steps" in capsys.readouterr().err
    assert load_agent(tmp_path / "agents" / "BankHeist").facts["training"]["agent_steps"] == 320
    assert run(zoo, tmp_path) == 0
    assert slight.exported == [320]
    assert SlightTraining.begun == []


def test_an_export_that_was_stopped_is_made_anew_by_the_next_start(
    zoo: ModuleType, slight: type[SlightExport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    write_run(tmp_path / "runs" / "BankHeist", 320)
    with monkeypatch.context() as patch:
        let_play(patch, {}, during=lambda: signal.raise_signal(signal.SIGINT))
        assert run(zoo, tmp_path) == 130
    assert not (tmp_path / "agents").exists()
    assert run(zoo, tmp_path) == 0
    assert (tmp_path / "agents" / "BankHeist" / "agent.toml").is_file()
    assert slight.exported == [320, 320]


def test_a_run_that_lost_is_exported_again_only_when_it_went_on(
    zoo: ModuleType, slight: type[SlightExport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    write_run(tmp_path / "runs" / "BankHeist", 320)
    let_play(monkeypatch, {320: (1.0, 1.0), 480: (2.0, 2.0)})  # below random play's 14.2
    for _ in range(2):
        assert run(zoo, tmp_path) == 0
    assert run(zoo, tmp_path, "--steps", "480") == 0
    assert slight.exported == [320, 480]
    assert not (tmp_path / "agents").exists()


def test_what_a_run_made_before_it_diverged_is_exported(
    zoo: ModuleType, slight: type[SlightExport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def diverge(self: SlightTraining) -> Iterator[Moment]:
        write_run(self.folder, self.steps + 160)
        raise Diverged("loss is nan")

    monkeypatch.setattr(SlightTraining, "run", diverge)
    assert run(zoo, tmp_path) == 0
    assert slight.exported == [160]
    assert len(SlightTraining.begun) == 1
    err = capsys.readouterr().err
    assert "all games have made 320 steps, but for what diverged: BankHeist" in err


def test_a_run_that_the_agent_has_overtaken_is_set_aside(
    zoo: ModuleType, slight: type[SlightExport], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The agent has 500 steps, the run 200: trained on is the agent, and what comes is exported."""
    write_agent(tmp_path / "agents" / "BankHeist", 500.0, 500)
    runs = tmp_path / "runs"
    write_run(runs / "BankHeist", 200)
    assert run(zoo, tmp_path, "--steps", "660") == 0
    (begun,) = SlightTraining.begun
    assert not begun["resume"]
    assert begun["init_from"].facts["training"]["agent_steps"] == 500
    assert slight.exported == [200, 660], "it had its chance before it was set aside"
    assert (steps_of(runs / "BankHeist"), steps_of(runs / "BankHeist.aside-1")) == (660, 200)
    assert load_agent(tmp_path / "agents" / "BankHeist").facts["training"]["agent_steps"] == 660
    err = capsys.readouterr().err
    assert "200 steps of the run, 500 of the agent: now" in err
    assert "BankHeist.aside-1'" in err


@pytest.mark.parametrize(("stated", "made"), [(160, 160), (160, 200), (0, 160)])
def test_a_run_that_is_as_far_as_the_agent_is_resumed(
    zoo: ModuleType, slight: type[SlightExport], tmp_path: Path, stated: int, made: int
) -> None:
    write_agent(tmp_path / "agents" / "BankHeist", 500.0, stated)
    write_run(tmp_path / "runs" / "BankHeist", made)
    assert run(zoo, tmp_path) == 0
    (begun,) = SlightTraining.begun
    assert begun["resume"]
    assert begun["init_from"] is None
    assert slight.exported == [made, made + 160]


def test_exports_come_on_top_of_the_hours(
    zoo: ModuleType, slight: type[SlightExport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """2.5 hours are three slices of an hour, the last one cut, though every export takes three."""
    clock, export_run = SimpleNamespace(now=0.0, limits=[]), SlightExport.run

    def train(self: SlightTraining) -> Iterator[Moment]:
        clock.now += clock.limits[-1]
        write_run(self.folder, self.steps + 160)
        return iter(())

    def timer(seconds: float, _: Callable[[], None]) -> SimpleNamespace:
        clock.limits.append(seconds)
        return SimpleNamespace(start=lambda: None, cancel=lambda: None)

    def three_hours(self: SlightExport) -> Iterator[ExportEvent]:
        clock.now += 3 * 3600
        return export_run(self)

    monkeypatch.setattr(SlightTraining, "run", train)
    monkeypatch.setattr(zoo, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(zoo, "threading", SimpleNamespace(Timer=timer))
    monkeypatch.setattr(SlightExport, "run", three_hours)
    assert run(zoo, tmp_path, "--steps", "9999", "--hours", "2.5") == 0
    assert clock.limits == [3600, 3600, 1800]
    assert slight.exported == [160, 320, 480], "the last slice's too"
    assert "exports come on top" in " ".join(zoo.parser().format_help().split())


def test_nothing_that_was_set_aside_is_overwritten(zoo: ModuleType, tmp_path: Path) -> None:
    for steps in (1, 2):
        write_run(tmp_path / "Pong", steps)
        assert zoo.set_aside(tmp_path / "Pong").name == f"Pong.aside-{steps}"
    assert [steps_of(tmp_path / f"Pong.aside-{steps}") for steps in (1, 2)] == [1, 2]
    assert not (tmp_path / "Pong").exists()


@pytest.mark.parametrize(("text", "steps"), [("320\n", 320), ("", 0), ("x", 0), (None, 0)])
def test_the_mark_of_an_export(
    zoo: ModuleType, tmp_path: Path, text: str | None, steps: int
) -> None:
    if text is not None:
        (tmp_path / "exported").write_text(text)
    assert zoo.exported_steps(tmp_path) == steps


@pytest.mark.parametrize(("score", "better"), [(14.2, False), (14.3, True)])
def test_the_first_agent_has_to_beat_random_play(
    zoo: ModuleType, score: float, better: bool
) -> None:
    found, line = zoo.verdict("BankHeist", row(score, score))
    assert found is better
    assert "against random play's 14.2" in line


def test_a_verdict_tells_its_uncertainty(zoo: ModuleType) -> None:
    """Paired by game: an equal lead in every game has no interval, unequal ones have."""
    old, lead = row(10.0, 40.0, 100.0), row(11.0, 41.0, 101.0)
    assert zoo.verdict("Pong", lead, old) == (
        True, "Pong: 51.0 against 50.0 on the same games: +1.0; the new agent takes the place",
    )  # fmt: skip
    better, line = zoo.verdict("Pong", row(8.0, 44.0, 101.0), old)
    low, high = re.findall(r"[+-][\d.]+", line.partition("[")[2])
    assert better
    assert -2.0 <= float(low) < 1.0 < float(high) <= 4.0


@pytest.mark.usefixtures("signals")
def test_without_a_run_its_agent_is_trained_on(
    zoo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(export, "CAPS", CAPS)
    write_agent(tmp_path / "agents" / "BankHeist", 500.0, 160)
    monkeypatch.setattr(zoo.Zoo, "_export", lambda self, before: self.stop())
    assert run(zoo, tmp_path) == 130, "a stop is told by the status"
    assert "BankHeist: 160 of 320 steps" in capsys.readouterr().err
    assert zoo.steps_of(tmp_path / "runs" / "BankHeist") == 320


def test_an_install_that_was_killed_is_put_back(zoo: ModuleType, tmp_path: Path) -> None:
    old, place = tmp_path / ".BankHeist.old", tmp_path / "BankHeist"
    write_agent(old, 5.0, 1)
    zoo.put_back(place)
    assert (place / "agent.toml").is_file()
    new = tmp_path / "new"
    write_agent(new, 6.0, 2)
    zoo.install(new, place)
    assert zoo.standing("BankHeist", tmp_path, tmp_path).steps == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["BankHeist", "new"]


def test_one_process_at_a_time(zoo: ModuleType, tmp_path: Path) -> None:
    with (
        zoo.alone(tmp_path),
        pytest.raises(zoo.UsageError, match="another process trains"),
        zoo.alone(tmp_path),
    ):
        pass
