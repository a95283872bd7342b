"""One number over several games: means, interquartile means, profiles, chances of improvement.

A game's scores come as one array of normalised returns per trained network. With one network per
game an interval is over episodes alone; only where every game has several networks does it speak of
other training runs. Source: Agarwal et al. 2021 (arXiv 2108.13264).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import trim_mean

from sap_rl.statistics.intervals import Array

Scores = Mapping[str, Sequence[Array]]
"""Game -> per trained network its normalised returns [E]."""

Over = Literal["episodes", "training runs"]
"""What an interval is over."""

Statistic = Literal["mean", "interquartile mean"]


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
    pairs, _ = _paired_units(scores, others)
    return float(np.mean([_wins(ours, theirs).mean() for ours, theirs in pairs]))


def aggregate(
    statistic: Statistic,
    scores: Scores,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> Aggregate:
    """A statistic of the scores with its stratified percentile bootstrap interval.

    Every resample draws within each game: networks where every game has several, else the episodes
    of each network.
    """
    over, of_means = over_what(scores), STATISTICS[statistic]
    drawn = [_redrawn(networks, over, rng, resamples) for networks in scores.values()]
    return _bounded(float(of_means(_network_means(scores))[0]), of_means(drawn), level, over)


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
    pairs, over = _paired_units(scores, others)
    drawn = np.zeros(resamples)
    for ours, theirs in pairs:
        shares = [_shares(units.size, rng, resamples) for units in (ours, theirs)]
        drawn += ((shares[0] @ _wins(ours, theirs)) * shares[1]).sum(axis=1) / len(pairs)
    return _bounded(improvement(scores, others), drawn, level, over)


def _bounded(value: float, drawn: Array, level: float, over: Over) -> Aggregate:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Aggregate(value, float(low), float(high), over)


def _network_means(scores: Scores) -> list[Array]:
    """The networks' mean scores, per game [1, networks]."""
    return [np.array([[returns.mean() for returns in networks]]) for networks in scores.values()]


def _mean(means: Sequence[Array]) -> Array:
    """Games of [R, networks] -> [R]: every game counts the same, and in a game every network."""
    found: Array = np.mean([game.mean(axis=1) for game in means], axis=0)
    return found


def _interquartile(means: Sequence[Array]) -> Array:
    """Games of [R, networks] -> [R]: the mean without the lowest and the highest quarter.

    Over all networks of all games together; of n floor(n / 4) are left out at either end, so with
    fewer than four it is the mean.
    """
    found: Array = trim_mean(np.concatenate(means, axis=1), 0.25, axis=1)
    return found


STATISTICS: dict[Statistic, Callable[[Sequence[Array]], Array]] = {
    "mean": _mean,
    "interquartile mean": _interquartile,
}


def _redrawn(
    networks: Sequence[Array], over: Over, rng: np.random.Generator, resamples: int
) -> Array:
    """Means [R, networks] of one game's resamples."""
    if over == "training runs":
        means = np.array([returns.mean() for returns in networks])
        return means[rng.integers(means.size, size=(resamples, means.size))]
    return np.stack([_shares(r.size, rng, resamples) @ r for r in networks], axis=1)


def _shares(count: int, rng: np.random.Generator, resamples: int) -> Array:
    """How much each of `count` units weighs in every resample [R, count]."""
    shares: Array = rng.multinomial(count, np.full(count, 1 / count), size=resamples) / count
    return shares


def _paired_units(scores: Scores, others: Scores) -> tuple[list[tuple[Array, Array]], Over]:
    if scores.keys() != others.keys():
        raise ValueError(f"games differ: {sorted(scores)} and {sorted(others)}")
    over: Over = "training runs"
    if "episodes" in (over_what(scores), over_what(others)):
        over = "episodes"
    ours, theirs = _units(scores, over), _units(others, over)
    return [(ours[game], theirs[game]) for game in ours], over


def _units(scores: Scores, over: Over) -> dict[str, Array]:
    """Per game what is counted: its networks' means, or all their episodes."""
    if over == "episodes":
        return {game: np.concatenate(networks) for game, networks in scores.items()}
    return {game: np.array([r.mean() for r in networks]) for game, networks in scores.items()}


def _wins(ours: Array, theirs: Array) -> Array:
    """1 where ours [E] lies above theirs [F], 1/2 where they are equal: [E, F]."""
    above: Array = (ours[:, None] > theirs) + 0.5 * (ours[:, None] == theirs)
    return above
