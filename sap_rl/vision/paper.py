"""What Dhillon et al. 2018 (ICLR, arXiv 1803.01442) say of CIFAR-10: `paper.csv`.

place: the figure or section; attack: `fgsm` and `iterative` with the classifier's own gradient,
behind them the number of passes where the paper varies it, `transfer` for the dense network's
gradient; accuracy: in percent; source: printed in the `text`, or read off a `figure` to 0.3 points,
to 1 where a marker is partly hidden.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class PaperLine(NamedTuple):
    """One curve of the paper."""

    place: str
    model: str
    attack: str


@cache
def paper_lines() -> dict[PaperLine, dict[float, float]]:
    """Every curve: accuracy in percent by lambda."""
    text = (files("sap_rl.vision") / "paper.csv").read_text(encoding="utf-8")
    found: dict[PaperLine, dict[float, float]] = {}
    for row in csv.DictReader(text.splitlines()):
        line = PaperLine(row["place"], row["model"], row["attack"])
        found.setdefault(line, {})[float(row["lambda"])] = float(row["accuracy"])
    return found
