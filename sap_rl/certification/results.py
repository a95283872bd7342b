"""What a certification found, typed to its leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Literal

import numpy as np

from sap_rl.certification.settings import CertifySettings
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.plain import numbered_json, read_numbered
from sap_rl.statistics.intervals import Interval

FORMAT = 1
"""The number of the JSON's format."""

Play = Literal["clean", "attacked"]
"""Whether the frames come from undisturbed games, or from games under PGD at the largest lambda."""
PLAYS: tuple[Play, ...] = ("clean", "attacked")


@dataclass(frozen=True)
class CertifyRow:
    """The actions on frames of one kind of play at one lambda.

    certified: share, 0..1, of actions that no change within lambda can alter, its interval over the
    games that the frames come from; broken: share that the attack altered. What is neither is
    undecided.
    """

    lam: float
    play: Play
    frames: int
    certified: Interval
    broken: float

    @property
    def undecided(self) -> float:
        """Share of actions that are neither certified nor broken."""
        return max(0.0, 1 - self.certified.mean - self.broken)


@dataclass(frozen=True)
class Certificate:
    """Rows by lambda and play, in that order.

    radius: per play the largest certified lambda of each frame, in pixels, to the step of the
    bisection below the truth; empty where it was not asked for. defense: of the agent whose vote
    over noise it is, then lambda is the root mean square of all changes; None for a network without
    a defence. seconds: it took in all.
    """

    settings: CertifySettings
    agent: AgentFacts
    made: Made
    rows: tuple[CertifyRow, ...]
    radius: dict[str, tuple[float, ...]] = field(default_factory=dict)
    defense: str | None = None
    seconds: float = 0.0

    def row(self, lam: float, play: Play = "clean") -> CertifyRow:
        """The row of a lambda and play; KeyError where it was not asked for."""
        for row in self.rows:
            if (row.lam, row.play) == (lam, play):
                return row
        raise KeyError((lam, play))

    def radius_quantiles(self, play: Play, shares: tuple[float, ...]) -> list[float]:
        """Quantiles of the frames' certified lambda, in pixels."""
        return [float(q) for q in np.quantile(self.radius[play], shares)]

    def to_json(self) -> str:
        """One JSON object; never NaN or Infinity."""
        return numbered_json(self, FORMAT)

    def __str__(self) -> str:
        """The table, as the command prints it."""
        tables = import_module("sap_rl.reporting.tables.certificate")  # which stands further up
        return str(tables.certificate_text(self))


def read_certificate(text: str | bytes) -> Certificate:
    """The certificate of a JSON; UsageError in one line for anything else."""
    return read_numbered(Certificate, text, FORMAT, "certificate")
