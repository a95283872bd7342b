"""Spend hours on the zoo: train the agent that is furthest below its bar, keep what got better.

    python scripts/train_zoo.py --hours 8 --threads 2

Every slice of time goes to the game whose shipped agent has come least of the way from random play
to its bar. Its own run below --runs is resumed, unless the shipped agent has made more steps: then
the run is set aside. Without a run its agent is trained on, without an agent a run begins.
After the slice the run is exported, and the agent gives way only to one that does better on games
which both play and which are behind no stated score. Ctrl-C and SIGTERM end it after a checkpoint;
after `kill -9` the next start goes on from the last one. An export that was cut short is made anew
by the next start, before it trains.
"""

from __future__ import annotations

import argparse
import fcntl
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from sap_rl.agents import Agent, load_agent
from sap_rl.atari.games import FACTS, canonical_game, game_facts
from sap_rl.cli.status import INTERRUPTED_STATUS, USAGE_STATUS
from sap_rl.cli.terminal import set_threads
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Row
from sap_rl.files import check_folder, replace_folder, write_atomically
from sap_rl.reporting.live.bars import ExportBar, TrainingBar
from sap_rl.reporting.tables.evaluation import console
from sap_rl.seeds import numpy_stream
from sap_rl.settings.options import read_number, read_whole, read_yaml
from sap_rl.statistics.intervals import difference_interval
from sap_rl.training.checkpoint import latest_checkpoint, read_checkpoint
from sap_rl.training.curve import CurveWriter
from sap_rl.training.dqn.parent import stated_number
from sap_rl.training.dqn.run import Training
from sap_rl.training.dqn.settings import TrainSettings, train_settings
from sap_rl.training.trainee import Diverged
from sap_rl.zoo.publish import Export, ExportEvent, Games
from sap_rl.zoo.score import CAPS, RIVAL_SEED, score_settings, stated_score

RECIPE = Path(__file__).parent.parent / "configs" / "train" / "ddqn.yaml"
STEPS = 10_000_000
CAP = CAPS["cap_30_minutes"]
EXPORTED = "exported"
"""File of a run that holds the agent steps at which it was last exported, to the verdict."""


@dataclass(frozen=True)
class Standing:
    """Where a game stands: its agent's score (random's without one), its bar, and steps made."""

    game: str
    score: float
    random: float
    bar: float
    steps: int = 0

    @property
    def way(self) -> float:
        """Share of the way from random play to the bar: 0 at random, 1 at the bar."""
        return (self.score - self.random) / (self.bar - self.random)


def choose(standings: Sequence[Standing], *, steps: int) -> Standing | None:
    """The game that has come least of its way, the first of equals; None where all are trained out.

    steps: at which a game is.
    """
    open_ones = [standing for standing in standings if standing.steps < steps]
    return min(open_ones, key=lambda standing: standing.way, default=None)


def standing(game: str, agents: Path, runs: Path) -> Standing:
    """A game's standing by its agent's card and by its own run."""
    facts = game_facts(game)
    if facts.random is None or facts.dqn_2_5m is None:
        raise UsageError(f"no bar is known for {game}; choose from {', '.join(FACTS)}")
    score, agent = facts.random, shipped(agents / game)
    if agent is not None:
        score = stated_score(agent.facts, CAP).mean
    steps = max(card_steps(agent), steps_of(runs / game))
    return Standing(game, score, facts.random, facts.dqn_2_5m, steps)


def shipped(place: Path) -> Agent | None:
    """The agent in a game's place; None where there is none."""
    return load_agent(place) if (place / "agent.toml").is_file() else None


def card_steps(agent: Agent | None) -> int:
    """Agent steps by an agent's card; 0 where it states none."""
    return 0 if agent is None else int(stated_number(agent.facts, "agent_steps") or 0)


def steps_of(run: Path) -> int:
    """Agent steps at a run's last checkpoint; 0 where there is none."""
    last = latest_checkpoint(run / "checkpoints")
    return 0 if last is None else read_checkpoint(last).progress.steps


def exported_steps(run: Path) -> int:
    """Agent steps at which a run was last exported; 0 where it never was."""
    try:
        return int((run / EXPORTED).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # an unreadable mark costs an export, no agent
        return 0


def verdict(game: str, new: Row, old: Row | None = None) -> tuple[bool, str]:
    """Whether the new agent does better on the same games than the old one, and a line on it.

    old: None where there is no agent; then random play, as published, has to be beaten.
    """
    assert new.mean is not None
    if old is None:
        floor = game_facts(game).random or 0.0
        better, against = new.mean > floor, f"random play's {floor:.1f}"
    else:
        rng = numpy_stream(0, "bootstrap")
        found = difference_interval(new.returns, old.returns, rng=rng)
        better, against = found.mean > 0, f"{old.mean:.1f} on the same games: {found.mean:+.1f}"
        if found.low is not None:
            against += f" [{found.low:+.1f}, {found.high:+.1f}]"
    outcome = "the new agent takes the place" if better else "what is there stays"
    return better, f"{game}: {new.mean:.1f} against {against}; {outcome}"


class Zoo:
    """The games, their agents and their runs; `stop` ends whatever is under way."""

    def __init__(self, settings: TrainSettings, args: argparse.Namespace) -> None:
        self.settings, self.args = settings, args
        self.agents, self.runs = args.agents, args.runs
        self.games = [canonical_game(game) for game in args.games or FACTS]
        self.episodes = read_whole("episodes", args.episodes)
        self.slice = 3600 * read_number("slice", args.slice)
        self.left = 3600 * read_number("hours", args.hours)  # seconds of training
        self.diverged: list[str] = []
        self.training: Training | None = None
        self.stopped = False
        self.console = console(stderr=True)

    def stop(self, *_: object) -> None:
        """Safe in a signal handler."""
        self.stopped = True
        if self.training is not None:
            self.training.request_stop()

    def work(self) -> None:
        """Slice after slice until the hours are over, all games are trained out, or `stop`."""
        for game in self.games:
            put_back(self.agents / game)
        while True:
            self._export_new()
            if self.stopped or self.left <= 0:
                return
            games = [game for game in self.games if game not in self.diverged]
            standings = [standing(game, self.agents, self.runs) for game in games]
            chosen = choose(standings, steps=self.settings.steps)
            if chosen is None:
                self._say(f"all games have made {self.settings.steps:,} steps" + self._but)
                return
            self._say(
                f"{chosen.game}: score {chosen.score:.1f}, {chosen.way:.0%} of the way from random "
                f"play to {chosen.bar:g}, {chosen.steps:,} steps"
            )
            began = time.monotonic()
            try:
                self._train(chosen.game)
            except Diverged as error:
                self._say(f"{chosen.game}: {error}; no more of it now")
                self.diverged.append(chosen.game)
            self.left -= time.monotonic() - began

    @property
    def _but(self) -> str:
        return f", but for what diverged: {', '.join(self.diverged)}" if self.diverged else ""

    def _export_new(self) -> None:
        """Export every run that went on, or was killed, since it was exported last."""
        for game in self.games:
            run = self.runs / game
            if not self.stopped and steps_of(run) > exported_steps(run):
                self._export(game)

    def _train(self, game: str) -> None:
        folder, agent = self.runs / game, shipped(self.agents / game)
        made, stated = steps_of(folder), card_steps(agent)
        if 0 < made < stated:
            aside = set_aside(folder)
            self._say(f"{game}: {made:,} steps of the run, {stated:,} of the agent: now '{aside}'")
            made = 0
        self.training = Training(
            self.settings,
            folder,
            game=game,
            resume=made > 0,
            init_from=None if made else agent,
            device=self.args.device,
        )
        timer = threading.Timer(min(self.slice, self.left), self.training.request_stop)
        timer.start()
        bar, curve = TrainingBar(self.console), CurveWriter(folder, self.agents / game)
        try:
            if self.stopped:  # the signal came while the run was being set up
                self.training.request_stop()
            with bar:
                for event in self.training.run():
                    bar(event)
                    curve(event)
        finally:
            timer.cancel()
            self.training = None

    def _export(self, game: str) -> None:
        """Measure the run, and let the agent give way to a better one."""
        made = steps_of(self.runs / game)
        export = Export(
            self.runs / game,
            self.runs / "exported",
            choice_episodes=min(30, self.episodes),
            episodes=self.episodes,
            replace=True,
        )
        bar = ExportBar(export.total + 2 * self.episodes, self.console)
        with bar:
            for event in self._exporting(export, game, made):
                bar(event)
                if self.stopped:
                    return

    def _exporting(self, export: Export, game: str, made: int) -> Iterator[ExportEvent]:
        """Export, play against the agent that is there, replace it if the new one does better.

        The stated score takes no part in this, so that it is not the luckiest of many.
        """
        yield from export.run()
        there = self.agents / game
        rivals = load_agent(export.folder), shipped(there)
        agents = [agent for agent in rivals if agent is not None]
        games = Games(export.total + len(agents) * self.episodes, done=export.total)
        plan = score_settings(game, episodes=self.episodes, seed=RIVAL_SEED + made, max_frames=CAP)
        rows = []
        for agent in agents:
            rows.append((yield from games.play(agent, plan)))
        better, line = verdict(game, *rows)
        self._say(line)
        if better:
            check_folder(self.agents)
            install(export.folder, there)
        # Last: a kill before it costs another export, whose agent meets itself or its better.
        write_atomically(self.runs / game / EXPORTED, f"{made}\n")

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)


def set_aside(run: Path) -> Path:
    """Rename a run's folder, so that another can begin in its place; its new name."""
    names = (run.with_name(f"{run.name}.aside-{number}") for number in count(1))
    return run.rename(next(name for name in names if not name.exists()))


def install(new: Path, place: Path) -> None:
    """Copy an agent's folder to its place, which is there whole at every moment but one rename."""
    beside = place.with_name(f".{place.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(new, beside)
    replace_folder(beside, place)


def put_back(place: Path) -> None:
    """Undo an `install` that was killed between its two renames."""
    old = place.with_name(f".{place.name}.old")
    if old.is_dir() and not place.exists():
        old.rename(place)


@contextmanager
def alone(runs: Path) -> Iterator[None]:
    """Hold the runs' folder; UsageError where another process does."""
    check_folder(runs)
    with (runs / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(f"another process trains in '{runs}'") from error
        yield


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    found = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    found.add_argument(
        "--hours", default="1", help="of training in all; games played for exports come on top [1]"
    )
    found.add_argument("--slice", default="1", help="hours after which the choice is made anew [1]")
    found.add_argument("--games", nargs="+", help="only these [all with a bar]")
    found.add_argument("--device", default="cpu", help="where the network learns [cpu]")
    found.add_argument("--threads", help="of the learner and the emulators [torch's]")
    found.add_argument("--runs", type=Path, default=Path("runs") / "zoo", metavar="DIR")
    found.add_argument("--agents", type=Path, default=Path("agents"), metavar="DIR")
    found.add_argument("--config", type=Path, default=RECIPE, help="the recipe [ddqn.yaml]")
    found.add_argument("--steps", default=str(STEPS), help=f"per game in all [{STEPS}]")
    found.add_argument("--episodes", default="100", help="behind a score [100]")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Work for the hours; status 130 where a signal ended it."""
    args = parser().parse_args(argv)
    try:
        set_threads(args.threads)
        settings = train_settings(read_yaml(args.config))
        settings = replace(settings, steps=read_whole("steps", args.steps))
        zoo = Zoo(settings, args)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, zoo.stop)
        with alone(args.runs):
            zoo.work()
    except UsageError as error:
        print(f"train_zoo: {' '.join(str(error).split())}", file=sys.stderr)
        return USAGE_STATUS
    return INTERRUPTED_STATUS if zoo.stopped else 0


if __name__ == "__main__":
    sys.exit(main())
