"""Zero-sum matrix games: both sides' mixed strategies by linear programming."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from sap_rl.statistics.intervals import Array

ROUNDING = 1e-9
"""The solver's rounding: a probability below this is 0."""


@dataclass(frozen=True)
class Solution:
    """A zero-sum game in which rows maximise what columns minimise.

    value: what rows secure by mixing; rows [D], columns [A]: the mixtures; secured [D]: what each
    row alone secures, its least payoff; conceded [A]: what each column alone concedes, its largest;
    gap: what the mixture of columns concedes minus what that of rows secures, 0 up to rounding.
    """

    value: float
    rows: Array
    columns: Array
    secured: Array
    conceded: Array
    gap: float

    @property
    def row_exploitability(self) -> Array:
        """Per row what a best reply takes from the value when it is played alone, >= 0."""
        return self.value - self.secured

    @property
    def column_exploitability(self) -> Array:
        """Per column what a best reply adds to the value when it is played alone, >= 0."""
        return self.conceded - self.value


def solve(payoff: Array) -> Solution:
    """Optimal mixtures of a game [D, A], D and A >= 1.

    ValueError for payoffs that are not finite or not a matrix. Source: von Neumann's minimax
    theorem; the linear programme of Dantzig 1951.
    """
    matrix = np.asarray(payoff, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise ValueError(f"a game is a finite matrix [D, A], got {matrix.shape}: {matrix}")
    rows = _maximin(matrix)
    columns = _maximin(-matrix.T)
    secured, conceded = float((rows @ matrix).min()), float((matrix @ columns).max())
    return Solution(
        (secured + conceded) / 2,
        rows,
        columns,
        matrix.min(axis=1),
        matrix.max(axis=0),
        conceded - secured,
    )


def _maximin(payoff: Array) -> Array:
    """The mixture x [D] that maximises min over columns of x @ payoff.

    Payoffs are brought to 0..1 first: the solver's tolerances are absolute.
    """
    spread = float(np.ptp(payoff))
    scaled = (payoff - payoff.min()) / (spread or 1.0)
    choices, replies = scaled.shape
    found = linprog(
        c=[*np.zeros(choices), -1.0],
        A_ub=np.hstack([-scaled.T, np.ones((replies, 1))]),
        b_ub=np.zeros(replies),
        A_eq=[[*np.ones(choices), 0.0]],
        b_eq=[1.0],
        bounds=[(0.0, 1.0)] * choices + [(None, None)],
        method="highs",
    )
    if not found.success:  # a bounded, feasible programme: only rounding could end here
        raise ArithmeticError(f"the game was not solved: {found.message}")
    mixture = np.where(found.x[:-1] < ROUNDING, 0.0, found.x[:-1])
    solved: Array = mixture / mixture.sum()
    return solved
