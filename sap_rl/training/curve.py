"""`curve.csv`: how a run went, one line per `Updated` event; a listener."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from sap_rl.evaluation.results import write_atomically
from sap_rl.training.events import Evaluated, Started, TrainEvent, Updated

COLUMNS = ("steps", "updates", "seconds", "episodes", "mean_return", "loss", "event", "value")
"""mean_return: of the last 100 training games. event: empty, resume, init, or eval-LAMBDA, whose
mean is the value."""


class CurveWriter:
    """Called with every event of a run, keeps `folder`/curve.csv.

    After a resume, lines beyond the checkpoint are dropped (they are played again) and a line
    marks the restart.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "curve.csv"

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
        kept = [line for line in self._lines() if int(line[0]) <= event.steps]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            [COLUMNS, *(kept if event.restart == "resume" else [])]
        )
        write_atomically(self.path, text.getvalue())
        if event.restart:
            self._append(event, "", "", "", event.restart, "")

    def _lines(self) -> list[list[str]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))[1:]
        # A kill may have torn the last line.
        return [line for line in lines if len(line) == len(COLUMNS) and line[0].isdigit()]

    def _append(self, event: Started | Updated | Evaluated, *values: object) -> None:
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([event.steps, event.updates, f"{event.seconds:.1f}", *values])
