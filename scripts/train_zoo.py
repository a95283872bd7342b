"""Spend hours on the zoo: train one game until it passes its bar, then the next; keep the best.

    python scripts/train_zoo.py --hours 8 --threads 1
    python scripts/train_zoo.py --status

Each game has a recipe in configs/train/zoo.yaml, in whose order games have their turn: first those
whose agent is below its bar, among them those that have used the fewest whole shares of 2.5M steps
(`--share`). So one game is trained until it passes or has used its share, then the next; games that
pass are trained on only when no other is open, frozen ones never.
After every slice of time the run is exported while it waits, and the agent gives way only to one
that does better on games which both play and which are behind no stated score. All checkpoints
since the last export are candidates, so the agent in place is the best so far.
A run that is dead by its recipe's `look_at` is set aside, and another seed starts. A run is
resumed, unless an agent that it could begin from has made more steps: then it is set aside.
Ctrl-C and SIGTERM end it after a checkpoint; after `kill -9` the next start goes on from the last
one. An export that was cut short is made anew by the next start, before it trains.
For two cores start it twice: a process holds its game by a lock on RUNS/.GAME.lock, which ends with
the process, and another takes the next game. `--status` only reads, at any time.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.table import Table

from sap_rl.agents import load_agent
from sap_rl.atari.games import canonical_game
from sap_rl.cli.status import INTERRUPTED_STATUS, USAGE_STATUS
from sap_rl.cli.terminal import set_threads
from sap_rl.errors import UsageError
from sap_rl.files import check_folder, write_atomically
from sap_rl.reporting.live.bars import ExportBar, TrainingBar
from sap_rl.reporting.tables.evaluation import console, plain_table
from sap_rl.reporting.tables.text import number_text
from sap_rl.settings.flags import read_too
from sap_rl.settings.options import read_number, read_whole, read_yaml
from sap_rl.training.curve import CurveWriter
from sap_rl.training.dqn.parent import stated_number
from sap_rl.training.dqn.run import Training
from sap_rl.training.events import CheckpointWritten, Moment
from sap_rl.training.trainee import Diverged
from sap_rl.zoo.candidates import weights_by_steps
from sap_rl.zoo.place import install, put_back, verdict
from sap_rl.zoo.publish import Export, ExportEvent, Games
from sap_rl.zoo.recipes import Recipe, read_recipes
from sap_rl.zoo.runs import (
    EXPORTED,
    aside,
    exported_steps,
    held,
    in_work,
    seed_of,
    set_aside,
    steps_of,
)
from sap_rl.zoo.score import RIVAL_SEED, score_settings
from sap_rl.zoo.standing import (
    CAP,
    Standing,
    card_steps,
    latest,
    ranked,
    shipped,
    slope,
    standing,
    trained_on,
)

CONFIGS = Path(__file__).parent.parent / "configs" / "train"
STEPS, SHARE = 10_000_000, 2_500_000


class Zoo:
    """The games, their agents and their runs; `stop` ends whatever is under way."""

    def __init__(self, recipes: Mapping[str, Recipe], args: argparse.Namespace) -> None:
        self.recipes, self.args = recipes, args
        self.agents, self.runs = args.agents, args.runs
        self.games = [game for game in recipes if not recipes[game].rules.frozen]
        self.episodes = read_whole("episodes", args.episodes)
        self.share = read_whole("share", args.share)
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

    def standing(self, game: str) -> Standing:
        """Where a game stands now."""
        return standing(game, self.agents, self.runs, self.recipes[game])

    def turns(self) -> list[Standing]:
        """The games that can be trained, the next one first."""
        found = [self.standing(game) for game in self.games if game not in self.diverged]
        going = [s for s in found if s.steps < self.recipes[s.game].settings.steps]
        return ranked(going, share=self.share)

    def work(self) -> None:
        """Game after game until the hours are over, all games are trained out, or `stop`."""
        while True:
            self._export_new()
            if self.stopped or self.left <= 0 or not self._train_next():
                return

    def _export_new(self) -> None:
        """Export every run that went on, or was killed, since it was exported last."""
        for game in self.games:
            run = self.runs / game
            with held(self.runs, game) as mine:
                if mine:
                    put_back(self.agents / game)
                    if not self.stopped and steps_of(run) > exported_steps(run):
                        self._export(game)

    def _train_next(self) -> bool:
        """Train the first game that no other process holds; False where there is none."""
        others = []
        for chosen in self.turns():
            with held(self.runs, chosen.game) as mine:
                if mine:
                    self._spend_on(chosen)
                    return True
            others.append(chosen.game)
        but = f", but for what diverged: {', '.join(self.diverged)}" if self.diverged else ""
        but += f", but for what other processes train: {', '.join(others)}" if others else ""
        self._say(f"all games have made {read_whole('steps', self.args.agent_steps):,} steps{but}")
        return False

    def _spend_on(self, chosen: Standing) -> None:
        self._say(
            f"{chosen.game}: score {chosen.score:.1f}, {chosen.way:.0%} of the way from random "
            f"play to {chosen.bar:g}, {chosen.steps:,} steps"
        )
        try:
            self._train(chosen)
        except Diverged as error:
            self._say(f"{chosen.game}: {error}; no more of it now")
            self.diverged.append(chosen.game)
        finally:
            self.training = None

    def _train(self, chosen: Standing) -> None:
        """Train slice after slice, an export after each, while it is the game's turn."""
        self.training = self._begin(chosen)
        if self.stopped:  # the signal came while the run was being set up
            self.training.request_stop()
        events, bar = self.training.run(), TrainingBar(self.console)
        curve = CurveWriter(self.runs / chosen.game, self.agents / chosen.game)
        while self._slice(self.training, events, bar, curve):
            with self.training.paused():
                self._export(chosen.game)
            now = self.standing(chosen.game)
            if now.dead or now.turn(self.share) != chosen.turn(self.share):
                self.training.request_stop()

    def _slice(
        self, training: Training, events: Iterator[Moment], bar: TrainingBar, curve: CurveWriter
    ) -> bool:
        """Train to the first checkpoint after a slice of time; False where the run ends before."""
        began = time.monotonic()
        try:
            with bar:
                for event in events:
                    bar(event)
                    curve(event)
                    spent = time.monotonic() - began
                    if spent >= self.left:
                        training.request_stop()
                    elif spent >= self.slice and isinstance(event, CheckpointWritten):
                        return True
            return False
        finally:
            self.left -= time.monotonic() - began

    def _begin(self, chosen: Standing) -> Training:
        """The game's run, resumed; or a new one, of another seed for each that was set aside."""
        recipe, folder = self.recipes[chosen.game], self.runs / chosen.game
        agent = trained_on(shipped(self.agents / chosen.game), recipe)
        made, stated = steps_of(folder), card_steps(agent)
        if made and (chosen.dead or made < stated):
            why = f"{stated:,} of the agent"
            if chosen.dead:
                why = "no better than random play"
            self._say(f"{chosen.game}: {made:,} steps of the run, {why}: now '{set_aside(folder)}'")
            made = 0
        return Training(
            recipe.settings,
            folder,
            game=chosen.game,
            seed=seed_of(folder) if made else len(aside(folder)),
            resume=made > 0,
            init_from=None if made else agent,
            device=self.args.device,
        )

    def _export(self, game: str) -> None:
        """Measure the run, and let the agent give way to a better one."""
        run = self.runs / game
        made, before = steps_of(run), exported_steps(run)
        export = Export(
            run,
            self.runs / "exported",
            newest=max(1, sum(steps > before for steps in weights_by_steps(run))),
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


def status(zoo: Zoo) -> Table:
    """A line per game: score, bar, steps and hours of its run (of its agent without one), how the
    return of its training changes per 100,000 steps, and what comes next."""
    table = plain_table(
        "game", "score", "bar", "", "steps", "slope", "hours", "next", left=("game", "", "next")
    )
    turns = [s.game for s in zoo.turns() if not in_work(zoo.runs, s.game)]
    for game in zoo.recipes:
        found, agent, run = zoo.standing(game), shipped(zoo.agents / game), zoo.runs / game
        (steps, hours), rise = latest(run), slope(run)
        if agent is not None and not steps:
            steps, hours = card_steps(agent), (stated_number(agent.facts, "minutes") or 0) / 60
        table.add_row(
            game,
            number_text(None if agent is None else found.score),
            f"{found.bar:g}",
            "passes" if found.passes else "below",
            f"{steps:,}",
            "-" if rise is None else f"{rise:+.1f}",
            f"{hours:.1f}",
            coming(zoo, found, turns),
        )
    return table


def coming(zoo: Zoo, found: Standing, turns: Sequence[str]) -> str:
    """What comes next of a game, in words; turns: the games that no process trains, in order."""
    if found.game not in zoo.games:
        return "frozen"
    if in_work(zoo.runs, found.game):
        return "is trained now"
    if found.game not in turns:
        return "has made all its steps"
    seed = ", with another seed" if found.dead else ""
    if found.game == turns[0]:
        return f"next{seed}"
    return "done" if found.passes else f"waits{seed}"


def chosen_recipes(args: argparse.Namespace) -> dict[str, Recipe]:
    """The recipes of the games that were asked for, of all by default; a game without one has the
    settings alone. UsageError for a frozen one."""
    base = read_yaml(args.config) | {"agent_steps": args.agent_steps}
    recipes = read_recipes(read_yaml(args.recipes), base)
    if not args.games:
        return recipes
    games = [canonical_game(game) for game in args.games]
    for game in games:
        if game in recipes and recipes[game].rules.frozen:
            free = ", ".join(name for name in recipes if not recipes[name].rules.frozen)
            raise UsageError(f"{game} is frozen in '{args.recipes}'; choose from {free}")
    return read_recipes({game: {} for game in games}, base) | {
        game: recipes[game] for game in games if game in recipes
    }


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    found = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    found.add_argument("--status", action="store_true", help="say where the games stand, and end")
    found.add_argument(
        "--hours", default="1", help="of training in all; games played for exports come on top [1]"
    )
    found.add_argument("--slice", default="1", help="hours between exports, at least [1]")
    found.add_argument("--share", default=str(SHARE), help=f"steps of a game's turn [{SHARE}]")
    found.add_argument("--games", nargs="+", help="only these [all that have a recipe]")
    found.add_argument("--device", default="cpu", help="where the network learns [cpu]")
    found.add_argument("--threads", help="of the learner and the emulators [torch's]")
    found.add_argument("--runs", type=Path, default=Path("runs") / "zoo", metavar="DIR")
    found.add_argument("--agents", type=Path, default=Path("agents"), metavar="DIR")
    found.add_argument(
        "--config", type=Path, default=CONFIGS / "ddqn.yaml", help="under all recipes [ddqn.yaml]"
    )
    found.add_argument(
        "--recipes", type=Path, default=CONFIGS / "zoo.yaml", help="of the games [zoo.yaml]"
    )
    steps = found.add_argument(
        "--agent-steps", default=str(STEPS), help=f"per game in all [{STEPS}]"
    )
    read_too(found, steps, "--steps")
    found.add_argument("--episodes", default="100", help="behind a score [100]")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Work for the hours; status 130 where a signal ended it."""
    args = parser().parse_args(argv)
    try:
        set_threads(args.threads)
        zoo = Zoo(chosen_recipes(args), args)
        if args.status:
            console().print(status(zoo))
            return 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, zoo.stop)
        check_folder(args.runs)
        zoo.work()
    except UsageError as error:
        print(f"train_zoo: {' '.join(str(error).split())}", file=sys.stderr)
        return USAGE_STATUS
    return INTERRUPTED_STATUS if zoo.stopped else 0


if __name__ == "__main__":
    sys.exit(main())
