"""`curve.csv`: how a run went, one line per `Updated` event; a listener."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from sap_rl.errors import UsageError
from sap_rl.files import write_atomically
from sap_rl.training.dqn.events import Evaluated, Started, TrainEvent, Updated
from sap_rl.training.harden.events import (
    HardenEvaluated,
    HardenEvent,
    HardenStarted,
    HardenUpdated,
)

CURVE = "curve.csv"
"""Its name in the folder of a run, and of an agent."""

COLUMNS = ("steps", "updates", "seconds", "episodes", "mean_return", "loss", "event", "value")
"""mean_return: of the last 100 training games. event: empty, resume, init, or eval-LAMBDA, whose
mean is the value."""


class CurveFile:
    """A CSV that grows by lines, the first column a count by which it can be cut back."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path, self.columns = path, columns

    def begin(self, earlier: Path | None, upto: int) -> None:
        """Start it with another one's (or its own) lines whose count is at most `upto`."""
        lines = _lines(earlier, self.columns) if earlier is not None else []
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            [self.columns, *(line for line in lines if int(line[0]) <= upto)]
        )
        write_atomically(self.path, text.getvalue())

    def append(self, *values: object) -> None:
        """One line; UsageError if the disk refuses."""
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerow(values)
        except OSError as error:
            raise UsageError(f"cannot write '{self.path}': {error.strerror}") from error


class CurveWriter:
    """Called with every event of a run, keeps `folder`/curve.csv.

    parent: folder of the agent from which training goes on; its curve is this one's beginning.
    After a resume, lines beyond the checkpoint are dropped (they are played again). A line marks
    the restart.
    """

    def __init__(self, folder: Path, parent: Path | None = None) -> None:
        self.file = CurveFile(folder / CURVE, COLUMNS)
        self.parent = parent

    def __call__(self, event: TrainEvent) -> None:
        """Note what belongs into the curve."""
        if isinstance(event, Started):
            earlier = {"resume": self.file.path.parent, "init": self.parent}.get(event.restart)
            self.file.begin(None if earlier is None else earlier / CURVE, event.steps)
            if event.restart:
                self._append(event, "", "", "", event.restart, "")
        elif isinstance(event, Updated):
            mean = "" if event.mean_return is None else f"{event.mean_return:.2f}"
            self._append(event, event.episodes, mean, f"{event.loss:.5g}", "", "")
        elif isinstance(event, Evaluated):
            self._append(event, "", "", "", f"eval-{event.lam:g}", f"{event.mean:.2f}")

    def _append(self, event: Started | Updated | Evaluated, *values: object) -> None:
        self.file.append(event.steps, event.updates, f"{event.seconds:.1f}", *values)


HARDEN_COLUMNS = (
    "updates", "frames", "seconds", "loss", "agreement_attacked", "agreement_clean", "event",
    "value",
)  # fmt: skip
"""Agreements: share of examples on which student and teacher choose the same action. event: empty,
resume, or eval-LAMBDA, whose mean return is the value."""


class HardenCurve:
    """Called with every event of a hardening, keeps `folder`/curve.csv."""

    def __init__(self, folder: Path) -> None:
        self.file = CurveFile(folder / CURVE, HARDEN_COLUMNS)

    def __call__(self, event: HardenEvent) -> None:
        """Note what belongs into the curve."""
        seconds = f"{event.seconds:.1f}"
        if isinstance(event, HardenStarted):
            self.file.begin(self.file.path if event.resumed else None, event.updates)
            if event.resumed:
                self.file.append(event.updates, "", seconds, "", "", "", "resume", "")
        elif isinstance(event, HardenUpdated):
            found = (event.loss, event.agreement_attacked, event.agreement_clean)
            words = [f"{value:.4g}" for value in found]
            self.file.append(event.updates, event.frames, seconds, *words, "", "")
        elif isinstance(event, HardenEvaluated):
            name, mean = f"eval-{event.lam:g}", f"{event.row.mean:.2f}"
            self.file.append(event.updates, "", seconds, "", "", "", name, mean)


@dataclass(frozen=True)
class LearningCurve:
    """A run as its curve tells it.

    training: (agent steps, mean return of the last 100 training games); evaluated: lambda as it is
    written -> (agent steps, mean return) of games played for the measurement alone.
    """

    training: tuple[tuple[int, float], ...]
    evaluated: dict[str, tuple[tuple[int, float], ...]]


def learning_curve(folder: Path) -> LearningCurve | None:
    """The curve in an agent's or a run's folder, None where there is none (a hardening's tells of
    no steps)."""
    training: list[tuple[int, float]] = []
    evaluated: dict[str, tuple[tuple[int, float], ...]] = {}
    for line in _lines(folder / CURVE, COLUMNS):
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
    lines = _lines(folder / CURVE, COLUMNS)
    before = [line for line in lines if int(line[0]) <= steps]
    return dict(zip(COLUMNS, before[-1], strict=True)) if before else None


def _lines(path: Path, columns: tuple[str, ...]) -> list[list[str]]:
    """The whole lines of a file with these columns; none of a file with others."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = list(csv.reader(file)) or [[]]
    if tuple(header) != columns:
        return []
    # A kill may have torn the last line.
    return [line for line in lines if len(line) == len(columns) and line[0].isdigit()]
