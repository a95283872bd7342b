"""Worst cases over the attacks of an audit's games, and how players compare in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sap_rl.audit.suite import PAPER, Kind
from sap_rl.evaluation.results import Row
from sap_rl.seeds import numpy_stream
from sap_rl.statistics.intervals import Interval, difference_interval

TAIL_SHARE = 0.2
"""Share of the episodes over which CVaR is taken: it is the mean return of the worst fifth."""


@dataclass(frozen=True)
class GameResult:
    """One player's games under one attack at one lambda; title: `none` for clean play."""

    player: str
    title: str
    lam: float
    row: Row


@dataclass(frozen=True)
class Worst:
    """A player's lowest mean return over the attacks it met at one lambda.

    cvar: mean of its worst fifth of episodes there; paper: its mean under the paper's FGSM, None
    if that was not played; stronger: by how much less it keeps than there, paired by episode.
    """

    player: str
    lam: float
    title: str
    mean: float
    ci_low: float | None
    ci_high: float | None
    cvar: float
    paper: float | None
    stronger: Interval | None


@dataclass(frozen=True)
class WorstDifference:
    """Two cells of one lambda in points of return, paired by episode: first minus second."""

    lam: float
    first: str
    second: str
    interval: Interval


def worst_cases(
    games: Sequence[GameResult], kinds: dict[str, Kind], seed: int
) -> tuple[Worst, ...]:  # fmt: skip
    """Per attacked player and lambda the attack that leaves least."""
    attacked = [cell for cell in games if cell.lam > 0]
    found = []
    for lam, player in dict.fromkeys((cell.lam, cell.player) for cell in attacked):
        cells = [cell for cell in attacked if (cell.lam, cell.player) == (lam, player)]
        lowest = min(cells, key=lambda cell: mean_return(cell.row))
        paper = PAPER.against(kinds[player]).title
        under_paper = next((cell.row for cell in cells if cell.title == paper), None)
        stronger = None
        if under_paper is not None:
            rng = numpy_stream(seed, "bootstrap", "audit", f"{lam:g}", player, "paper")
            stronger = difference_interval(under_paper.returns, lowest.row.returns, rng=rng)
        found.append(
            Worst(
                player,
                lam,
                lowest.title,
                mean_return(lowest.row),
                lowest.row.ci_low,
                lowest.row.ci_high,
                cvar(lowest.row.returns),
                None if under_paper is None else mean_return(under_paper),
                stronger,
            )
        )
    return tuple(found)


def cvar(returns: Sequence[float], share: float = TAIL_SHARE) -> float:
    """Mean of the lowest `share` of the returns, at least one (Rockafellar & Uryasev 2000)."""
    count = max(1, math.ceil(share * len(returns)))
    return float(np.mean(sorted(returns)[:count]))


def curve_area(curve: Sequence[tuple[float, float]]) -> float | None:
    """Mean of the return over log(lambda), by trapezoids; None for fewer than two lambdas."""
    ordered = sorted(curve)
    if len(ordered) < 2:
        return None
    place = np.log([lam for lam, _ in ordered])
    returns = np.array([value for _, value in ordered])
    return float(np.trapezoid(returns, place) / (place[-1] - place[0]))


def worst_differences(
    games: Sequence[GameResult], worst: Sequence[Worst], seed: int
) -> tuple[WorstDifference, ...]:  # fmt: skip
    """Compare the defended player's worst case with the others' at each lambda."""
    rows = {(cell.player, cell.title, cell.lam): cell.row for cell in games}
    found = []
    for lam in dict.fromkeys(w.lam for w in worst):
        here = {w.player: w for w in worst if w.lam == lam}
        for other in ("original", "noise-control"):
            if "defended" in here and other in here:
                first, second = ("defended", here["defended"].title), (other, here[other].title)
                a, b = rows[(*first, lam)].returns, rows[(*second, lam)].returns
                rng = numpy_stream(seed, "bootstrap", "audit", f"{lam:g}", *first, *second)
                interval = difference_interval(a, b, rng=rng)
                found.append(WorstDifference(lam, first[0], second[0], interval))
    return tuple(found)


def bounds(interval: Interval) -> str:
    """The interval in words, ` [low, high]`; empty where it has no bounds."""
    if interval.low is None or interval.high is None:
        return ""
    return f" [{interval.low:+.1f}, {interval.high:+.1f}]"


def clean_returns(games: Iterable[GameResult]) -> dict[str, float]:
    """Mean return in clean play, by player."""
    return {cell.player: mean_return(cell.row) for cell in games if cell.lam == 0}


def mean_return(row: Row) -> float:
    """The mean return of a complete row, which always has one."""
    assert row.mean is not None
    return row.mean
