"""`curve.csv`: how a run went, one line per `Updated` event; a listener."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from sap_rl.errors import UsageError
from sap_rl.evaluation.results import write_atomically
from sap_rl.training.events import Evaluated, Started, TrainEvent, Updated

CURVE = "curve.csv"
"""Its name in the folder of a run, and of an agent."""

COLUMNS = ("steps", "updates", "seconds", "episodes", "mean_return", "loss", "event", "value")
"""mean_return: of the last 100 training games. event: empty, resume, init, or eval-LAMBDA, whose
mean is the value."""


class CurveWriter:
    """Called with every event of a run, keeps `folder`/curve.csv.

    parent: folder of the agent from which training goes on; its curve is this one's beginning.
    After a resume, lines beyond the checkpoint are dropped (they are played again). A line marks
    the restart.
    """

    def __init__(self, folder: Path, parent: Path | None = None) -> None:
        self.path = folder / CURVE
        self.parent = parent

    def __call__(self, event: TrainEvent) -> None:
        """Note what belongs into the curve."""
        if isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Updated):
            mean = "" if event.mean_return is None else f"{event.mean_return:.2f}"
            self._append(event, event.episodes, mean, f"{event.loss:.5g}", "", "")
        elif isinstance(event, Evaluated):
            self._append(event, "", "", "", f"eval-{event.lam:g}", f"{event.mean:.2f}")

    def _start(self, event: Started) -> None:
        earlier = {"resume": self.path.parent, "init": self.parent}.get(event.restart)
        lines = _lines(earlier / CURVE) if earlier is not None else []
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            [COLUMNS, *(line for line in lines if int(line[0]) <= event.steps)]
        )
        write_atomically(self.path, text.getvalue())
        if event.restart:
            self._append(event, "", "", "", event.restart, "")

    def _append(self, event: Started | Updated | Evaluated, *values: object) -> None:
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow([event.steps, event.updates, f"{event.seconds:.1f}", *values])
        except OSError as error:
            raise UsageError(f"cannot write '{self.path}': {error.strerror}") from error


@dataclass(frozen=True)
class LearningCurve:
    """A run as its curve tells it.

    training: (agent steps, mean return of the last 100 training games); evaluated: lambda as it is
    written -> (agent steps, mean return) of games played for the measurement alone.
    """

    training: tuple[tuple[int, float], ...]
    evaluated: dict[str, tuple[tuple[int, float], ...]]


def learning_curve(folder: Path) -> LearningCurve | None:
    """The curve in an agent's or a run's folder, None where there is none."""
    training: list[tuple[int, float]] = []
    evaluated: dict[str, tuple[tuple[int, float], ...]] = {}
    for line in _lines(folder / CURVE):
        found = dict(zip(COLUMNS, line, strict=True))
        steps, kind = int(found["steps"]), found["event"]
        if found["mean_return"]:
            training.append((steps, float(found["mean_return"])))
        if kind.startswith("eval-"):
            lam = kind.removeprefix("eval-")
            evaluated[lam] = (*evaluated.get(lam, ()), (steps, float(found["value"])))
    return LearningCurve(tuple(training), evaluated) if training or evaluated else None


def curve_line(folder: Path, steps: int) -> dict[str, str] | None:
    """The last line of a folder's curve up to that step, by column; None if there is none."""
    before = [line for line in _lines(folder / CURVE) if int(line[0]) <= steps]
    return dict(zip(COLUMNS, before[-1], strict=True)) if before else None


def _lines(path: Path) -> list[list[str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))[1:]
    # A kill may have torn the last line.
    return [line for line in lines if len(line) == len(COLUMNS) and line[0].isdigit()]
