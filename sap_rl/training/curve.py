"""`curve.csv`: how a run went, one line per `Updated` event or evaluated lambda; a listener."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sap_rl.errors import UsageError
from sap_rl.files import MAX_RESULT, exists, read_file, write_atomically
from sap_rl.training.events import (
    Evaluated,
    HardenStarted,
    HardenUpdated,
    Moment,
    Started,
    Updated,
)

CURVE = "curve.csv"
"""The curve's file name in the folder of a run and of an agent."""

COLUMNS = ("steps", "updates", "seconds", "episodes", "mean_return", "loss", "event", "value")
"""Columns of a training's curve.

mean_return: of the last 100 training games; event: empty, resume, init, or eval-LAMBDA, whose mean
is the value.
"""
HARDEN_COLUMNS = (
    "updates", "frames", "seconds", "loss", "agreement_attacked", "agreement_clean", "event",
    "value",
)  # fmt: skip
"""Columns of a hardening's curve.

agreement_attacked, agreement_clean: share of examples on which student and teacher choose the same
action; event: empty, resume, or eval-LAMBDA, whose mean is the value.
"""

COUNTS = ("steps", "updates", "frames", "episodes")
"""The columns of whole numbers."""
LONGEST_COUNT = 19
"""Digits that make a number too large for a count."""

EVAL = "eval-"
"""What stands before the lambda in the event of an evaluation's line."""

Line = dict[str, str]
"""A line by column; the first column is the count by which a curve is cut back."""


class CurveWriter:
    """Called with every event of a run, keeps `folder`/curve.csv.

    parent: folder of the agent from which training goes on; its curve is this one's beginning.
    After a resume, lines beyond the checkpoint are dropped (they are played again), and so is an
    evaluation at it that was cut short. A line marks the restart.
    """

    def __init__(self, folder: Path, parent: Path | None = None) -> None:
        self.path, self.parent = folder / CURVE, parent
        self.columns = COLUMNS

    def __call__(self, event: Moment) -> None:
        """Note what belongs into the curve; UsageError if the disk refuses."""
        if isinstance(event, Started):
            self._begin(event)
        elif isinstance(event, Updated):
            mean = "" if event.mean_return is None else f"{event.mean_return:.2f}"
            self._append(
                event, episodes=f"{event.episodes}", mean_return=mean, loss=f"{event.loss:.5g}"
            )
        elif isinstance(event, HardenUpdated):
            names = ("loss", "agreement_attacked", "agreement_clean")
            told = {name: f"{getattr(event, name):.4g}" for name in names}
            self._append(event, frames=f"{event.steps}", **told)
        elif isinstance(event, Evaluated):
            self._append(event, event=f"{EVAL}{event.row.lam:g}", value=f"{event.row.mean:.2f}")

    def _begin(self, event: Started) -> None:
        """Start the file with the lines that stay; only an evaluation that is due goes."""
        self.columns = HARDEN_COLUMNS if isinstance(event, HardenStarted) else COLUMNS
        earlier = {"resume": self.path.parent, "init": self.parent}.get(event.restart)
        now = int(getattr(event, self.columns[0]))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        for line in _lines(earlier, self.columns) if earlier is not None else []:
            count = int(line[self.columns[0]])
            if count < now or (count == now and not (event.due and line["event"].startswith(EVAL))):
                writer.writerow(line.values())
        write_atomically(self.path, text.getvalue())
        if event.restart:
            self._append(event, event=event.restart)

    def _append(self, moment: Moment, **told: str) -> None:
        known = {
            "steps": f"{moment.steps}",
            "updates": f"{moment.updates}",
            "seconds": f"{moment.seconds:.1f}",
        } | told
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(
                    file, self.columns, extrasaction="ignore", lineterminator="\n"
                ).writerow(known)
        except OSError as error:
            raise UsageError(f"cannot write '{self.path}': {error.strerror}") from error


def evaluated_at(folder: Path, upto: int, arms: int) -> int | None:
    """The count up to which the evaluations of a run's curve are whole; None without a curve.

    It is that of the last evaluation at a count of at most `upto` that has `arms` lines, or that of
    a later start from an agent; 0 where there is neither.
    """
    columns, lines = _read(folder / CURVE)
    if not columns:
        return None
    found = [(int(line[columns[0]]), line["event"]) for line in lines]
    played = Counter(count for count, event in set(found) if event.startswith(EVAL))
    whole = [count for count, number in played.items() if number >= arms]
    begun = [count for count, event in found if event == "init"]
    return max((count for count in whole + begun if count <= upto), default=0)


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
    for line in _lines(folder, COLUMNS):
        steps = int(line["steps"])
        if line["mean_return"]:
            training.append((steps, float(line["mean_return"])))
        if line["event"].startswith(EVAL):
            lam = line["event"].removeprefix(EVAL)
            evaluated[lam] = (*evaluated.get(lam, ()), (steps, float(line["value"])))
    return LearningCurve(tuple(training), evaluated) if training or evaluated else None


def curve_line(folder: Path, steps: int) -> Line | None:
    """The last line of a folder's curve up to that step, by column; None if there is none."""
    before = [line for line in _lines(folder, COLUMNS) if int(line["steps"]) <= steps]
    return before[-1] if before else None


def _lines(folder: Path, columns: tuple[str, ...]) -> list[Line]:
    """The whole lines of a folder's curve with these columns; none of one with others."""
    found, lines = _read(folder / CURVE)
    return lines if found == columns else []


def _read(path: Path) -> tuple[tuple[str, ...], list[Line]]:
    """A curve's columns and its whole lines; nothing of what is no curve."""
    if not exists(path):
        return (), []
    # A kill may have torn the last line: what does not end is not there.
    text = read_file(path, MAX_RESULT).decode(errors="replace").rpartition("\n")[0]
    try:
        header, *lines = list(csv.reader(io.StringIO(text))) or [[]]
    except csv.Error:
        return (), []
    columns = tuple(header)
    if columns not in (COLUMNS, HARDEN_COLUMNS):
        return (), []
    whole = [dict(zip(columns, line, strict=True)) for line in lines if len(line) == len(columns)]
    return columns, [line for line in whole if _usable(line)]


def _usable(line: Line) -> bool:
    """Whether its numbers are numbers: anybody may have written it."""
    counts = [text for name, text in line.items() if name in COUNTS and text]
    others = [text for name, text in line.items() if name not in (*COUNTS, "event") and text]
    given = [next(iter(line.values())), line["updates"], line["seconds"]]
    try:
        numbers = [float(text) for text in others]
    except ValueError:
        return False
    whole = all(text.isdecimal() and len(text) < LONGEST_COUNT for text in counts)
    return whole and all(given) and all(map(math.isfinite, numbers))
