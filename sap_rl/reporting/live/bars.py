"""A live line about what is running: an evaluation or a training run."""

from __future__ import annotations

import time
from collections.abc import Iterable
from statistics import fmean
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sap_rl.audit.ended import CellEnded
from sap_rl.certification.run import FramesDone
from sap_rl.errors import printable
from sap_rl.evaluation.run import ArmEnded, ArmPlayed, ArmStarted, Event
from sap_rl.film.games import Scene
from sap_rl.play.arms import Arm
from sap_rl.play.rollout import Episode
from sap_rl.training.events import (
    CheckpointWritten,
    Evaluated,
    Moment,
    TrainingStarted,
    Updated,
)
from sap_rl.zoo.publish import CandidatePlayed, ExportEvent, GamePlayed, Scored

SECONDS_BETWEEN_LINES = 30.0
"""Between lines about an arm under way, where nobody watches a terminal."""
SECONDS_BEFORE_ESTIMATE = 10.0


class Bar(Progress):
    """A progress bar; above: what stands above it."""

    above: RenderableType | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is drawn."""
        if self.above is not None:
            yield self.above
        yield from super().get_renderables()


class LiveBar:
    """A bar on a terminal while the block lasts, nothing elsewhere.

    width: of the description, in characters at least; total: None while it is not known.
    """

    def __init__(
        self, console: Console, description: str, *, width: int, total: float | None
    ) -> None:
        self.console = console
        self.bar = Bar(
            TextColumn(f"{{task.description:<{width}}}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=600,  # games end in bunches, minutes apart
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task(description, total=total, note="")

    def __enter__(self) -> LiveBar:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def _say(self, line: str) -> None:
        self.console.print(printable(line), markup=False)


class ProgressBar(LiveBar):
    """Listens to an evaluation's events: on a terminal a table of the means so far over a live bar,
    elsewhere a line per finished arm and, now and then, one of an arm under way.

    Arms weigh what they are expected to cost, so that the time left is of the right order. An
    evaluation that will take minutes says so once, and how to have a shorter one.
    """

    def __init__(self, arms: list[Arm], episodes: int, console: Console) -> None:
        self.weights = {(arm.title, arm.lam): arm.cost for arm in arms}
        self.episodes, self.arms, self.ended = episodes, len(arms), 0
        self.returns: dict[Arm, list[float]] = {arm: [] for arm in arms}
        self.total = episodes * sum(self.weights.values())
        self.began = self.said = time.monotonic()
        self.estimated = False
        super().__init__(console, "starting", width=26, total=self.total)

    def __call__(self, event: Event) -> None:
        """Show one event."""
        arm = event.arm
        if isinstance(event, ArmStarted):
            self.bar.update(self.task, description=_arm_name(arm))
        elif isinstance(event, ArmPlayed):
            seconds = event.arm_stats.seconds
            note = f"{event.arm_stats.steps / seconds:5.0f} steps/s" if seconds else ""
            ended = 0.0
            if isinstance(event.what, Episode):
                ended = self.weights[arm.title, arm.lam]
                self._episode_ended(arm, event.what)
            self.bar.update(self.task, advance=ended, note=note)
        elif isinstance(event, ArmEnded):
            self._arm_ended(event)

    def _episode_ended(self, arm: Arm, episode: Episode) -> None:
        self.returns.setdefault(arm, []).append(episode.ret)
        self.bar.above = self._table()
        if not self.console.is_terminal and time.monotonic() - self.said > SECONDS_BETWEEN_LINES:
            found = self.returns[arm]
            self._line(
                f"{_arm_name(arm)}: {len(found)} of {self.episodes} episodes, mean so far "
                f"{fmean(found):.1f}"
            )

    def _table(self) -> Table:
        """The mean of every arm that has finished an episode: short games end first."""
        table = Table("player, lambda, gradient", "episodes", "mean so far", box=None)
        for arm, found in self.returns.items():
            if found:
                count = f"{len(found)} of {self.episodes}"
                table.add_row(_arm_name(arm), count, f"{fmean(found):.1f}")
        return table

    def _estimate(self) -> None:
        """Say once how long it takes at most, when a network's arm has ended: the games of an arm
        end side by side, so that the first of them says nothing."""
        spent = time.monotonic() - self.began
        if self.estimated or spent < SECONDS_BEFORE_ESTIMATE or self.ended == self.arms:
            return
        self.estimated = True
        ended = sum(self.weights[arm.title, arm.lam] * len(r) for arm, r in self.returns.items())
        minutes = spent * self.total / ended / 60
        if minutes >= 2:
            shorter = max(2, round(2 * self.episodes / minutes))
            self._line(
                f"at most about {minutes:.0f} minutes in all, less where attacked games end early; "
                f"--episodes {shorter} for a first look"
            )

    def _arm_ended(self, event: ArmEnded) -> None:
        self.ended += 1
        if not self.console.is_terminal:
            row = event.row
            self._line(
                f"[{self.ended}/{self.arms}] {_arm_name(event.arm)}: return "
                f"{row.mean:.1f} over {row.episodes} episodes, {row.seconds:.0f} s"
            )
        if event.arm.name != "random":
            self._estimate()

    def _line(self, line: str) -> None:
        self.said = time.monotonic()
        self._say(line)


def _arm_name(arm: Arm) -> str:
    return f"{arm.title} at {arm.level}"


class CellLines:
    """Listens to an audit: a line per cell, with the seconds it took."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __call__(self, event: CellEnded) -> None:
        """Show one event."""
        took = "kept from before" if event.seconds is None else f"{event.seconds:.1f} s"
        line = f"[{event.number}] {event.name}: {event.text}, {took}"
        self.console.print(line, markup=False, soft_wrap=True)


class TrainingBar(LiveBar):
    """Listens to a training run: a live bar on a terminal, else a line per evaluation."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, "warming up", width=1, total=None)

    def __call__(self, event: Moment) -> None:
        """Show one event."""
        self.bar.update(self.task, completed=event.steps)
        if isinstance(event, TrainingStarted):
            self.bar.update(self.task, total=event.total_steps)
            self._say(
                f"{event.game}: {event.steps:,} of {event.total_steps:,} steps, {event.num_envs} "
                f"games at once, {event.precision}, {event.threads} thread(s)"
            )
        elif isinstance(event, Updated):
            mean = "-" if event.mean_return is None else f"{event.mean_return:.1f}"
            note = f"return {mean}  {event.fps:.0f} steps/s"
            self.bar.update(self.task, description=f"{event.steps:,} steps", note=note)
        elif isinstance(event, Evaluated):
            self._say(
                f"{event.steps:,} steps: return {event.row.mean:.1f} at lambda {event.row.lam:g}"
            )
        elif isinstance(event, CheckpointWritten):
            self._say(f"{event.steps:,} steps: checkpoint {event.path}")


class ExportBar(LiveBar):
    """Listens to an export: a live bar over its games, and a line per checkpoint and score."""

    def __init__(self, total: int, console: Console) -> None:
        super().__init__(console, "playing", width=1, total=total)

    def __call__(self, event: ExportEvent) -> None:
        """Show one event."""
        if isinstance(event, GamePlayed):
            self.bar.update(self.task, completed=event.done, note=f"{event.done} games")
        elif isinstance(event, CandidatePlayed):
            self._say(
                f"checkpoint at {event.steps:,} steps: return {event.score:.1f} over "
                f"{event.episodes} episodes"
            )
        elif isinstance(event, Scored):
            self._say(
                f"{_chosen(event.steps)}return {event.row.mean:.1f} over "
                f"{event.row.episodes} other episodes of at most {event.max_frames} frames"
            )


def _chosen(steps: int | None) -> str:
    return "" if steps is None else f"chosen: {steps:,} steps; "


class FilmBar(LiveBar):
    """Listens to the scenes of a film."""

    def __init__(self, steps: int, console: Console) -> None:
        super().__init__(console, "playing", width=1, total=steps)

    def __call__(self, scene: Scene) -> None:
        """Show how far it is."""
        self.bar.update(self.task, completed=scene.step, note=f"step {scene.step}")


class FilmsBar(LiveBar):
    """Listens to the scenes of a report's films, one film after the other."""

    def __init__(self, films: int, console: Console) -> None:
        super().__init__(console, "films", width=1, total=films)
        self.games: list[str] = []

    def __call__(self, game: str, scene: Scene) -> None:
        """Show how far it is; a film begins with step 1."""
        if scene.step == 1:
            self.games.append(game)
        self.bar.update(self.task, completed=len(self.games) - 1, note=f"{game}, step {scene.step}")


class FramesBar(LiveBar):
    """Listens to a certification."""

    def __init__(self, total: int, console: Console) -> None:
        super().__init__(console, "frames", width=1, total=total)

    def __call__(self, event: FramesDone) -> None:
        """Show one event."""
        self.bar.update(self.task, completed=event.done, note=f"{event.done} of {event.total}")
