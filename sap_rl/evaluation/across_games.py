"""One number over several games: means, interquartile means, profiles, chances of improvement.

A game's scores come as one array of normalised returns per trained network. With one network per
game an interval is over episodes alone; only where every game has several networks does it speak of
other training runs. Source: Agarwal et al. 2021 (arXiv 2108.13264).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import rankdata, trim_mean

from sap_rl.evaluation.statistics import Array

Scores = Mapping[str, Sequence[Array]]
"""Game -> per trained network its normalised returns [E]."""

Over = Literal["episodes", "training runs"]
"""What an interval is over."""


@dataclass(frozen=True)
class Aggregate:
    """A number over all games, its 95% stratified bootstrap interval, and what that is over."""

    value: float
    low: float
    high: float
    over: Over


def over_what(scores: Scores) -> Over:
    """Training runs where every game has two networks at least, else episodes.

    ValueError where there are no games, no networks, or returns that are not finite.
    """
    if not scores:
        raise ValueError("no game has scores")
    for game, networks in scores.items():
        if not len(networks):
            raise ValueError(f"{game} has no network")
        for returns in networks:
            if returns.ndim != 1 or not returns.size or not np.isfinite(returns).all():
                raise ValueError(f"{game}: scores must be finite numbers [E], got {returns}")
    several = all(len(networks) > 1 for networks in scores.values())
    return "training runs" if several else "episodes"


def mean_score(scores: Scores) -> float:
    """Every game counts the same, and in a game every network."""
    return float(np.mean([np.mean([r.mean() for r in networks]) for networks in scores.values()]))


def interquartile_mean(scores: Scores) -> float:
    """Mean of the networks' mean scores without the lowest and the highest quarter.

    Over all games together; of n scores floor(n / 4) are left out at either end, so with fewer than
    four it is the mean.
    """
    every = [float(r.mean()) for networks in scores.values() for r in networks]
    return float(trim_mean(every, 0.25))


def profile(scores: Scores, thresholds: Sequence[float]) -> Array:
    """Share of the games' units above each threshold [T], every game counting the same.

    A unit is an episode, or a network's mean where the scores are over training runs.
    """
    at = np.asarray(thresholds, dtype=np.float64)
    units = _units(scores, over_what(scores)).values()
    shares: Array = np.mean([(game[:, None] > at).mean(axis=0) for game in units], axis=0)
    return shares


def improvement(scores: Scores, others: Scores) -> float:
    """Chance that a unit of `scores` lies above one of `others`, ties half, mean over the games.

    Units as in `profile`: episodes unless both sides are over training runs. The Mann-Whitney
    statistic over its maximum. ValueError where the games differ.
    """
    if scores.keys() != others.keys():
        raise ValueError(f"games differ: {sorted(scores)} and {sorted(others)}")
    both = over_what(scores), over_what(others)
    over: Over = "episodes" if "episodes" in both else "training runs"
    ours, theirs = _units(scores, over), _units(others, over)
    return float(np.mean([_chance_above(ours[game], theirs[game]) for game in ours]))


def aggregate(
    statistic: Callable[[Scores], float],
    scores: Scores,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> Aggregate:
    """A statistic of the scores with its stratified percentile bootstrap interval.

    Every resample draws within each game: networks where every game has several, else the episodes
    of each network. statistic: such as `mean_score`.
    """
    over = over_what(scores)
    drawn = [statistic(_redrawn(scores, over, rng)) for _ in range(resamples)]
    return _bounded(statistic(scores), drawn, level, over)


def aggregate_improvement(
    scores: Scores,
    others: Scores,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> Aggregate:
    """`improvement` with its interval; the sides are drawn apart, as if they were not paired.

    That is right for different networks, and too wide rather than too narrow for arms that share
    their episodes' luck.
    """
    both = over_what(scores), over_what(others)
    over: Over = "episodes" if "episodes" in both else "training runs"
    drawn = [
        improvement(_redrawn(scores, over, rng), _redrawn(others, over, rng))
        for _ in range(resamples)
    ]
    return _bounded(improvement(scores, others), drawn, level, over)


def _bounded(value: float, drawn: list[float], level: float, over: Over) -> Aggregate:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Aggregate(value, float(low), float(high), over)


def _redrawn(scores: Scores, over: Over, rng: np.random.Generator) -> dict[str, list[Array]]:
    return {game: list(_redrawn_game(networks, over, rng)) for game, networks in scores.items()}


def _redrawn_game(
    networks: Sequence[Array], over: Over, rng: np.random.Generator
) -> Iterator[Array]:
    if over == "training runs":
        for index in rng.integers(len(networks), size=len(networks)):
            yield networks[index]
        return
    for returns in networks:
        yield returns[rng.integers(returns.size, size=returns.size)]


def _units(scores: Scores, over: Over) -> dict[str, Array]:
    """Per game what is counted: its networks' means, or all their episodes."""
    if over == "episodes":
        return {game: np.concatenate(networks) for game, networks in scores.items()}
    return {game: np.array([r.mean() for r in networks]) for game, networks in scores.items()}


def _chance_above(ours: Array, theirs: Array) -> float:
    ranks = rankdata(np.concatenate([ours, theirs]))[: ours.size].sum()
    return float((ranks - ours.size * (ours.size + 1) / 2) / (ours.size * theirs.size))
