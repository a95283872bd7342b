"""Live lines about a sweep: a bar for the whole and one for each cell that is being played."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import TaskID

from sap_rl.errors import printable
from sap_rl.reporting.live.bars import LiveBar
from sap_rl.sweep.engines import CellBegan, WorkerLost
from sap_rl.sweep.estimate import CellEstimate
from sap_rl.sweep.experiments import CellTask
from sap_rl.sweep.run import CellEnded, CellsAdded, SweepEvent, SweepPlanned
from sap_rl.sweep.worker import CellProgress


class SweepBars(LiveBar):
    """Listens to a sweep: bars on a terminal, else a line per finished cell."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, "sweep", width=46, total=None)
        self.cells: dict[str, TaskID] = {}
        self.ended = self.total = 0

    def __call__(self, event: SweepEvent) -> None:
        """Show one event."""
        if isinstance(event, SweepPlanned):
            self.total = len(event.tasks)
            weight = sum(_weight(task) for task in event.tasks)
            self.bar.update(self.task, total=weight)
            self._say(planned_line(event))
        elif isinstance(event, CellsAdded):
            self.total += len(event.tasks)
            self._say(
                f"{event.experiment.title}: intervals are not narrow yet, on to {event.episodes} "
                "episodes"
            )
        elif isinstance(event, CellBegan):
            count = event.task.end - event.task.first
            name = self.bar.add_task(event.task.title, total=count, note="starting")
            self.cells[event.task.key] = name
        elif isinstance(event, CellProgress):
            self._progress(event)
        elif isinstance(event, WorkerLost):
            self._forget(event.task)
            self._say(f"a worker died over {event.task.title} ({event.reason}); another goes on")
        elif isinstance(event, CellEnded):
            self._cell_ended(event)

    def _progress(self, event: CellProgress) -> None:
        if event.task.key in self.cells:
            note = f"{event.steps / event.seconds:5.0f} steps/s" if event.seconds else ""
            self.bar.update(self.cells[event.task.key], completed=event.episodes, note=note)

    def _cell_ended(self, event: CellEnded) -> None:
        self._forget(event.task)
        self.ended += 1
        self.total = max(self.total, self.ended)
        note = f"{self.ended}/{self.total} cells"
        self.bar.update(self.task, advance=_weight(event.task), note=note)
        if not event.kept:
            row = event.row
            self._say(
                f"[{self.ended}/{self.total}] {event.task.title}: return {row.mean:.1f} over "
                f"{row.episodes} episodes, {row.seconds:.0f} s"
            )

    def _forget(self, task: CellTask) -> None:
        if task.key in self.cells:
            self.bar.remove_task(self.cells.pop(task.key))

    def _say(self, line: str) -> None:
        self.console.print(printable(line), markup=False, soft_wrap=True, highlight=False)


def planned_line(event: SweepPlanned) -> str:
    """What there is to do, in one line."""
    line = f"{len(event.tasks)} cells, {event.kept} kept from before"
    if event.begun:
        line += f", {event.begun} begun"
    if event.outdated:
        line += (
            f"; {event.outdated} of other code or packages are not used (their rows stay) and "
            "played again"
        )
    return line


def estimate_lines(estimates: Iterable[CellEstimate], workers: int) -> Iterator[str]:
    """A line per cell with the time that it would take on one core, and their sum.

    Under a stopping rule that is of the first look, and the most that may be played stands beside.
    """
    total, most, count, looks = 0.0, 0.0, 0, False
    for estimate in estimates:
        count += 1
        took = "kept from before" if estimate.seconds is None else minutes(estimate.seconds)
        total += estimate.seconds or 0.0
        most += (estimate.seconds or 0.0) if estimate.most is None else estimate.most
        task, episodes = estimate.task, f"{estimate.task.end - estimate.task.first} episodes"
        if estimate.most is None:
            yield f"{task.title}: {episodes}, {took}"
            continue
        looks = True
        yield (
            f"{task.title}: {episodes}, {took}; the first look of up to {estimate.episodes} "
            f"episodes, at most {minutes(estimate.most)}"
        )
    yield (
        f"{count} cells: about {minutes(total)} of one core, {minutes(total / workers)} with "
        f"{workers} worker(s) of this speed; if episodes are as long as in clean play"
    )
    if looks:
        yield (
            "That is the first look alone. Played to the most episodes: "
            f"{minutes(most)} of one core, {minutes(most / workers)} with {workers} worker(s)"
        )


def minutes(seconds: float) -> str:
    """A time in whole seconds or minutes: an estimate is no more exact."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _weight(task: CellTask) -> float:
    return task.arm.cost * (task.end - task.first)
