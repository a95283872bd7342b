"""Which game the zoo's training goes to, and what becomes of a run and of an agent."""

from __future__ import annotations

import importlib.util
import re
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
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
from sap_rl.training.curve import COLUMNS
from sap_rl.training.dqn.settings import TrainSettings
from sap_rl.training.events import CheckpointWritten, Finished, Moment
from sap_rl.training.trainee import Diverged
from sap_rl.zoo import place
from sap_rl.zoo import publish as export
from sap_rl.zoo import standing as standings
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


def at(zoo: ModuleType, game: str, score: float, spent: int) -> Any:
    return zoo.Standing(game, score, 0.0, 100.0, steps=spent, spent=spent)


def test_one_game_is_trained_until_it_passes_or_has_used_its_share(zoo: ModuleType) -> None:
    """By hand, with shares of 10: the order is the recipes', not how much is left to the bar."""
    first, second = at(zoo, "First", 90, 9), at(zoo, "Second", 1, 0)

    def order(*standings: Any) -> list[str]:
        return [standing.game for standing in zoo.ranked(standings, share=10)]

    assert order(first, second) == ["First", "Second"]
    assert order(at(zoo, "First", 90, 10), second) == ["Second", "First"]
    assert order(at(zoo, "First", 90, 10), at(zoo, "Second", 1, 19)) == ["First", "Second"]
    assert order(at(zoo, "First", 100, 0), second) == ["Second", "First"], "at the bar is passed"
    assert order(at(zoo, "First", 100, 20), at(zoo, "Second", 120, 10)) == ["Second", "First"]
    assert order(at(zoo, "First", 100, 0), at(zoo, "Second", 99, 990)) == ["Second", "First"]


def test_the_way_from_random_play_to_the_bar(zoo: ModuleType) -> None:
    half, fifth = zoo.Standing("Half", 50, 0, 100), zoo.Standing("Fifth", -6, -8, 2)
    assert [s.way for s in (half, fifth)] == pytest.approx([0.5, 0.2])


def test_every_bar_lies_above_random_play() -> None:
    assert all(facts.dqn_2_5m > facts.random for facts in FACTS.values())  # type: ignore[operator]
    assert FACTS["BankHeist"].dqn_2_5m == 621.0


def test_a_standing_is_read_from_the_card(zoo: ModuleType, tmp_path: Path) -> None:
    write_agent(tmp_path / "BankHeist", 317.6, 800)
    runs, recipe = tmp_path / "runs", zoo.Recipe()
    found = zoo.standing("BankHeist", tmp_path, runs, recipe)
    assert (found.score, found.random, found.bar, found.steps) == (317.6, 14.2, 621.0, 800)
    assert found.way == pytest.approx(0.5)
    assert not found.passes
    assert zoo.standing("Pong", tmp_path, runs, recipe).score == -20.7
    with pytest.raises(zoo.UsageError, match="no bar is known for Tetris"):
        zoo.standing("Tetris", tmp_path, runs, recipe)


def test_what_was_set_aside_counts_as_spent_and_an_agent_only_where_a_run_begins_from_it(
    zoo: ModuleType, tmp_path: Path
) -> None:
    write_agent(tmp_path / "BankHeist", 317.6, 800)
    for name, steps in {"BankHeist": 7, "BankHeist.aside-1": 50, "BankHeist.aside-2": 5}.items():
        write_run(tmp_path / "runs" / name, steps)
    for recipe, steps in ((zoo.Recipe(), 800), (quantile(zoo), 7), (looked_at(zoo, 5), 7)):
        found = zoo.standing("BankHeist", tmp_path, tmp_path / "runs", recipe)
        assert (found.steps, found.spent) == (steps, steps + 55)


def quantile(zoo: ModuleType) -> Any:
    return zoo.read_recipes({"BankHeist": {"network": "quantile"}}, {})["BankHeist"]


def looked_at(zoo: ModuleType, steps: int) -> Any:
    return zoo.read_recipes({"BankHeist": {"look_at": steps}}, {})["BankHeist"]


@pytest.fixture
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(zoo: ModuleType, folder: Path, *more: str) -> int:
    (folder / "tiny.yaml").write_text(TINY)
    recipes = folder / "recipes.yaml"
    if not recipes.exists():
        recipes.write_text("BankHeist: {}")
    argv = ["--recipes", str(recipes), "--runs", str(folder / "runs"), "--threads", "1"]
    argv += ["--agents", str(folder / "agents"), "--config", str(folder / "tiny.yaml")]
    status: int = zoo.main([*argv, "--episodes", "2", "--agent-steps", "320", *more])
    return status


@pytest.mark.usefixtures("signals")
def test_a_run_is_exported_from_end_to_end(
    zoo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(export, "CAPS", CAPS)
    monkeypatch.setattr(zoo, "CAP", 600)
    monkeypatch.setattr(standings, "CAP", 600)
    monkeypatch.setattr(place, "game_facts", lambda game: replace(FACTS[game], random=-1.0))
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
        parent, self.seed = options["init_from"], options["seed"]
        self.steps = parent.facts["training"]["agent_steps"] if parent else steps_of(folder)

    def request_stop(self) -> None:
        pass

    def run(self) -> Iterator[Moment]:
        write_run(self.folder, self.steps + self.made, self.seed)
        return iter(())


class SlightExport:
    """Makes an agent of a run at once, which its card gives `score`."""

    total, score = 0, 100.0
    exported: ClassVar[list[int]] = []
    games: ClassVar[list[str]] = []
    newest: ClassVar[list[int]] = []

    def __init__(self, run: Path, out: Path, *, newest: int, **_: Any) -> None:
        self.newest.append(newest)
        self.game, self.folder, self.source = run.name, out / run.name, run
        last = latest_checkpoint(run / "checkpoints")
        assert last is not None
        self.saved = read_checkpoint(last)

    def run(self) -> Iterator[ExportEvent]:
        steps = self.saved.progress.steps
        self.exported.append(steps)
        self.games.append(self.game)
        write_agent(self.folder, self.score, steps)
        yield GamePlayed(1, 1)


def steps_of(folder: Path) -> int:
    last = latest_checkpoint(folder / "checkpoints")
    return 0 if last is None else read_checkpoint(last).progress.steps


def write_run(folder: Path, steps: int, seed: int = 0) -> None:
    progress = Progress(steps=steps, number=steps)
    known = {"game": folder.name, "seed": seed}
    write_checkpoint(folder / "checkpoints", progress, known, {}, None)


@pytest.fixture
def slight(zoo: ModuleType, monkeypatch: pytest.MonkeyPatch, signals: None) -> type[SlightExport]:
    """Training, export and games without any work; an agent brings home its number of steps."""
    monkeypatch.setattr(zoo, "Training", SlightTraining)
    monkeypatch.setattr(zoo, "Export", SlightExport)
    monkeypatch.setattr(SlightTraining, "begun", [])
    for name in ("exported", "games", "newest"):
        monkeypatch.setattr(SlightExport, name, [])
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
    assert run(zoo, tmp_path, "--agent-steps", "480") == 0
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
    assert run(zoo, tmp_path, "--agent-steps", "660") == 0
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


class TimedTraining(SlightTraining):
    """A checkpoint of `made` steps takes `hours` of the clock; evaluations and pauses are told."""

    now, hours = 0.0, 1.0
    told: ClassVar[list[str]] = []

    def __init__(self, settings: TrainSettings, folder: Path, **options: Any) -> None:
        super().__init__(settings, folder, **options)
        self.total, self.stopping = settings.steps, False
        self.told.append("begun")

    def request_stop(self) -> None:
        self.stopping = True

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.told.append("paused")
        yield
        self.told.append("goes on")

    def run(self) -> Iterator[Moment]:
        while self.steps < self.total and not self.stopping:
            type(self).now += 3600 * self.hours
            self.steps += self.made
            write_run(self.folder, self.steps)
            yield CheckpointWritten(self.steps, 0, 0.0, self.steps, self.folder)
        yield Finished(self.steps, 0, 0.0, complete=self.steps >= self.total)


@pytest.fixture
def timed(
    zoo: ModuleType, slight: type[SlightExport], monkeypatch: pytest.MonkeyPatch
) -> type[TimedTraining]:
    """Training by the clock; an export takes three hours of it."""
    export_run = SlightExport.run

    def three_hours(self: SlightExport) -> Iterator[ExportEvent]:
        TimedTraining.now += 3 * 3600
        return export_run(self)

    monkeypatch.setattr(zoo, "Training", TimedTraining)
    monkeypatch.setattr(TimedTraining, "now", 0.0)
    monkeypatch.setattr(TimedTraining, "told", [])
    monkeypatch.setattr(zoo, "time", SimpleNamespace(monotonic=lambda: TimedTraining.now))
    monkeypatch.setattr(SlightExport, "run", three_hours)
    return TimedTraining


@pytest.mark.parametrize(
    ("hours", "slice_", "exported"),
    [
        ("4", "1", [160, 320, 480, 640]),
        ("4", "1.5", [320, 640]),
        ("2.5", "1", [160, 320, 480]),  # a checkpoint goes over the hours, and it ends
        ("1", "9", [160]),
    ],
)
def test_a_run_waits_for_its_exports_which_come_on_top_of_the_hours(
    zoo: ModuleType, timed: type[TimedTraining], tmp_path: Path, hours: str, slice_: str,
    exported: list[int],
) -> None:  # fmt: skip
    """Checkpoints are an hour apart; one training is begun, and goes on after every export."""
    assert run(zoo, tmp_path, "--agent-steps", "9999", "--hours", hours, "--slice", slice_) == 0
    assert SlightExport.exported == exported
    pauses = len(exported) - 1  # the last export is made when training is over
    assert timed.told == ["begun", *["paused", "goes on"] * pauses]
    assert "exports come on top" in " ".join(zoo.parser().format_help().split())


def test_a_game_that_passes_makes_way_for_the_next(
    zoo: ModuleType, timed: type[TimedTraining], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """BankHeist's agent states 621 from 320 steps on, its bar; Assault's stays below 1131."""
    (tmp_path / "recipes.yaml").write_text("BankHeist: {}\nAssault: {}")
    monkeypatch.setattr(
        SlightExport, "score", property(lambda self: 621.0 if steps_of(self.source) > 319 else 1.0)
    )
    assert run(zoo, tmp_path, "--agent-steps", "9999", "--hours", "4") == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "of the way" in line]
    assert [line.partition(":")[0] for line in lines] == ["BankHeist", "Assault"]
    runs = tmp_path / "runs"
    assert (steps_of(runs / "BankHeist"), steps_of(runs / "Assault")) == (320, 320)


def test_a_game_makes_way_after_its_share(
    zoo: ModuleType, timed: type[TimedTraining], tmp_path: Path
) -> None:
    (tmp_path / "recipes.yaml").write_text("BankHeist: {}\nAssault: {}")
    assert run(zoo, tmp_path, "--agent-steps", "9999", "--hours", "5", "--share", "300") == 0
    assert SlightExport.games == ["BankHeist", "BankHeist", "Assault", "Assault", "BankHeist"]


@pytest.mark.parametrize(
    ("returns", "dead"), [([14.2, 40.0, 14.2], True), ([14.2, 50.0, 14.2], False), ([], False)]
)
def test_a_run_is_dead_where_its_curve_never_left_random_play(
    zoo: ModuleType, tmp_path: Path, returns: list[float], dead: bool
) -> None:
    """BankHeist from 14.2 to 621: a twentieth of the way ends at 44.5."""
    folder = tmp_path / "BankHeist"
    write_run(folder, 160)
    write_curve(folder, {50 * number: mean for number, mean in enumerate(returns)})
    for look_at, found in ((160, dead), (161, False), (0, False)):
        recipe = looked_at(zoo, look_at)
        assert zoo.standing("BankHeist", tmp_path / "agents", tmp_path, recipe).dead is found


def test_a_dead_run_is_set_aside_and_another_seed_begins_from_nothing(
    zoo: ModuleType, slight: type[SlightExport], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "recipes.yaml").write_text("BankHeist: {look_at: 150}")
    write_agent(tmp_path / "agents" / "BankHeist", 500.0, 900)
    folder = tmp_path / "runs" / "BankHeist"
    write_run(folder, 160)
    write_curve(folder, {150: 14.2})
    write_run(folder.with_name("BankHeist.aside-1"), 7)
    assert run(zoo, tmp_path) == 0
    begun, resumed = SlightTraining.begun
    assert (begun["seed"], begun["resume"], begun["init_from"]) == (2, False, None)
    assert (resumed["seed"], resumed["resume"]) == (2, True)
    assert steps_of(folder.with_name("BankHeist.aside-2")) == 160
    assert "160 steps of the run, no better than random play: now" in capsys.readouterr().err


def test_a_run_of_another_seed_is_resumed_with_it(
    zoo: ModuleType, slight: type[SlightExport], tmp_path: Path
) -> None:
    write_run(tmp_path / "runs" / "BankHeist", 160, seed=3)
    assert run(zoo, tmp_path) == 0
    assert [options["seed"] for options in SlightTraining.begun] == [3]


def test_an_agent_of_another_network_is_not_trained_on(
    zoo: ModuleType, slight: type[SlightExport], tmp_path: Path
) -> None:
    """The agent's 900 steps do not overtake the run's 160, and are no start."""
    (tmp_path / "recipes.yaml").write_text("BankHeist: {network: quantile}")
    write_agent(tmp_path / "agents" / "BankHeist", 500.0, 900)
    assert run(zoo, tmp_path, "--agent-steps", "160") == 0
    assert run(zoo, tmp_path) == 0
    first, second = SlightTraining.begun
    assert (first["init_from"], second["init_from"]) == (None, None)
    assert (first["resume"], second["resume"]) == (False, True)


def test_all_checkpoints_since_the_last_export_are_candidates(
    zoo: ModuleType, slight: type[SlightExport], tmp_path: Path
) -> None:
    """Snapshots are what stays of checkpoints that were thinned away."""
    folder = tmp_path / "runs" / "BankHeist"
    for steps in (300, 310, 320):
        write_run(folder, steps)
    (folder / "snapshots").mkdir()
    for steps in (100, 200):
        (folder / "snapshots" / f"{steps:010d}.safetensors").touch()
    assert run(zoo, tmp_path) == 0
    (folder / "exported").write_text("200")
    assert run(zoo, tmp_path) == 0
    assert SlightExport.newest == [5, 3]


def test_a_frozen_game_is_refused_and_never_touched(
    zoo: ModuleType, slight: type[SlightExport], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "recipes.yaml").write_text("BankHeist: {frozen: true}\nAssault: {}")
    write_run(tmp_path / "runs" / "BankHeist", 160)
    assert run(zoo, tmp_path, "--games", "bank_heist") == 2
    assert "BankHeist is frozen in" in capsys.readouterr().err
    assert run(zoo, tmp_path) == 0
    assert set(SlightExport.games) == {"Assault"}
    assert run(zoo, tmp_path, "--games", "Pong") == 0, "the settings alone are a recipe"


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
    assert load_agent(place).facts["training"]["agent_steps"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["BankHeist", "new"]


def test_a_game_is_held_by_one_process_at_a_time(
    zoo: ModuleType, slight: type[SlightExport], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """While another holds BankHeist, its run is neither exported nor trained."""
    (tmp_path / "recipes.yaml").write_text("BankHeist: {}\nAssault: {}")
    write_run(tmp_path / "runs" / "BankHeist", 160)
    with zoo.held(tmp_path / "runs", "BankHeist") as mine:
        assert mine
        assert zoo.in_work(tmp_path / "runs", "BankHeist")
        with zoo.held(tmp_path / "runs", "BankHeist") as again:
            assert not again
        assert run(zoo, tmp_path) == 0
    assert set(SlightExport.games) == {"Assault"}
    assert "but for what other processes train: BankHeist" in capsys.readouterr().err
    assert not zoo.in_work(tmp_path / "runs", "BankHeist")
    assert not zoo.in_work(tmp_path / "runs", "Pong")


def test_the_slope_is_that_of_the_curves_end(zoo: ModuleType, tmp_path: Path) -> None:
    """By hand: 3 per 100,000 steps after a fall that is over; the hours are the last line's."""
    assert zoo.slope(tmp_path) is None
    assert zoo.latest(tmp_path) == (0, 0.0)
    write_curve(tmp_path, {0: 99.0, 100_000: 4.0})
    assert zoo.slope(tmp_path) == pytest.approx(-95.0)
    write_curve(tmp_path, {0: 99.0, 210_000: 4.0, 310_000: 7.0, 400_000: 9.7})
    assert zoo.slope(tmp_path) == pytest.approx(3.0)
    assert zoo.latest(tmp_path) == (400_000, pytest.approx(400 / 3600))


def test_the_status_is_a_line_per_game_and_only_reads(
    zoo: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipes = (
        "Pong: {}\nFreeway: {look_at: 100}\nBankHeist: {}\nBreakout: {}\nAssault: {frozen: true}"
    )
    (tmp_path / "recipes.yaml").write_text(recipes)
    write_agent(tmp_path / "agents" / "BankHeist", 700.0, 800)
    runs = tmp_path / "runs"
    write_run(runs / "Freeway", 150)
    write_curve(runs / "Freeway", {0: 0.0, 150: 0.1})
    write_run(runs / "Breakout", 400)
    (runs / ".Pong.lock").touch()
    before = snapshot(tmp_path / "agents", runs)
    with zoo.held(runs, "Pong"):
        assert run(zoo, tmp_path, "--status") == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "game score bar steps slope hours next",
        "Pong - 6.3 below 0 - 0.0 is trained now",
        "Freeway - 6.7 below 150 +66.7 0.0 next, with another seed",
        "BankHeist 700.0 621 passes 800 - 0.0 has made all its steps",
        "Breakout - 47 below 0 - 0.0 has made all its steps",
        "Assault - 1131 below 0 - 0.0 frozen",
    ]
    assert snapshot(tmp_path / "agents", runs) == before
    assert run(zoo, tmp_path, "--status", "--agent-steps", "9999") == 0
    words = [line.split()[7:] for line in capsys.readouterr().out.splitlines()]
    assert words[1:4] == [["next"], ["waits,", "with", "another", "seed"], ["done"]]


def snapshot(*folders: Path) -> dict[Path, int]:
    found = [path for folder in folders for path in [folder, *folder.rglob("*")]]
    return {path: path.stat().st_mtime_ns for path in found}


def write_curve(folder: Path, means: dict[int, float]) -> None:
    """Lines by steps, a second per 1,000 of them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{steps},0,{steps / 1000},0,{mean},0,,\n" for steps, mean in means.items()]
    (folder / "curve.csv").write_text("".join([",".join(COLUMNS) + "\n", *lines]))
