"""Numbers over several games: by hand, against scipy and published code, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sap_rl.statistics.aggregates import (
    Scores,
    Statistic,
    aggregate,
    aggregate_improvement,
    improvement,
    over_what,
    profile,
)


def one_each(**games: list[float]) -> dict[str, list[np.ndarray]]:
    """One network per game."""
    return {game: [np.array(returns, dtype=np.float64)] for game, returns in games.items()}


def runs() -> tuple[dict[str, list[np.ndarray]], dict[str, list[np.ndarray]]]:
    """Three networks in each of four games, two sides, one episode per network."""
    rng = np.random.default_rng(11)
    sides = np.round(rng.lognormal(0, 1, (2, 3, 4)), 1)
    return tuple(  # type: ignore[return-value]
        {f"g{m}": [side[n : n + 1, m] for n in range(3)] for m in range(4)} for side in sides
    )


def value(statistic: Statistic, scores: Scores) -> float:
    return aggregate(statistic, scores, rng=np.random.default_rng(0), resamples=2).value


def test_every_game_counts_the_same() -> None:
    scores = one_each(A=[0.0, 1.0], B=[2.0, 2.0, 2.0, 2.0], C=[10.0])
    assert value("mean", scores) == pytest.approx((0.5 + 2 + 10) / 3)
    assert value("interquartile mean", scores) == pytest.approx(
        (0.5 + 2 + 10) / 3
    )  # three: none left out
    five = scores | one_each(D=[-50.0], E=[4.0])
    assert value("interquartile mean", five) == pytest.approx(
        (0.5 + 2 + 4) / 3
    )  # 10 and -50 are left out
    assert list(profile(scores, [-1, 0, 1.5, 2])) == pytest.approx([1, 2.5 / 3, 2 / 3, 1 / 3])


def test_improvement_by_hand() -> None:
    """A: of 4 pairs 2 are won and 1 is a tie: 2.5 / 4; B: all are ties."""
    ours, theirs = one_each(A=[1, 3], B=[5]), one_each(A=[1, 2], B=[5, 5])
    assert improvement(ours, theirs) == pytest.approx((2.5 / 4 + 0.5) / 2)
    assert improvement(theirs, ours) == pytest.approx(1 - (2.5 / 4 + 0.5) / 2)


def test_improvement_is_mann_and_whitneys_statistic() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 20), rng.integers(2, 9, 35)
    expected = stats.mannwhitneyu(a, b).statistic / (20 * 35)
    assert improvement(one_each(A=a), one_each(A=b)) == pytest.approx(expected)  # type: ignore[arg-type]


def test_the_values_of_rliable() -> None:
    """rliable 1.2.0 on the same scores: aggregate_mean, aggregate_iqm, probability_of_improvement
    and score_distributions at 0.5, 1 and 2 (run apart: its plots need pandas below 3)."""
    ours, theirs = runs()
    assert value("mean", ours) == pytest.approx(1.7416666666666665)
    assert value("interquartile mean", ours) == pytest.approx(1.2333333333333334)
    assert improvement(ours, theirs) == pytest.approx(0.5694444444444444)
    assert list(profile(ours, [0.5, 1, 2])) == pytest.approx([11 / 12, 5 / 12, 4 / 12])


def test_what_an_interval_is_over() -> None:
    several, _ = runs()
    single = one_each(A=[1, 2], B=[3, 4])
    assert over_what(single) == "episodes"
    assert over_what(several) == "training runs"
    assert over_what(several | single) == "episodes", "one game with one network is enough"
    rng = np.random.default_rng(0)
    assert aggregate("mean", single, rng=rng, resamples=20).over == "episodes"
    assert aggregate("mean", several, rng=rng, resamples=20).over == "training runs"


def test_training_runs_are_redrawn_whole() -> None:
    """Networks without spread among their own episodes but between them, and the reverse."""
    rng = np.random.default_rng(0)
    apart = {g: [np.full(50, 0.0), np.full(50, 1.0)] for g in "AB"}
    alike = {g: [np.array([0.0, 1.0] * 25)] * 2 for g in "AB"}
    found = aggregate("mean", apart, rng=rng, resamples=500)
    assert (found.low, found.high) == (0.0, 1.0)
    found = aggregate("mean", alike, rng=rng, resamples=500)
    assert (found.low, found.high) == (0.5, 0.5)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="no game"):
        over_what({})
    with pytest.raises(ValueError, match="A has no network"):
        over_what({"A": []})
    with pytest.raises(ValueError, match="finite numbers"):
        over_what(one_each(A=[float("nan")]))
    with pytest.raises(ValueError, match=r"games differ: \['A'\] and \['B'\]"):
        improvement(one_each(A=[1]), one_each(B=[1]))


def test_coverage_over_episodes() -> None:
    """Six games of 30 skewed episodes: 95% intervals hold the truth in 89% of 150 runs or more.

    6 points are 3 standard errors; the measured coverage is in docs/statistics.md.
    """
    rng = np.random.default_rng(4)
    levels = np.array([0.1, 0.3, 0.5, 0.8, 1.2, 2.0])
    truths: dict[Statistic, float] = {
        "mean": levels.mean(), "interquartile mean": levels[1:5].mean(),
    }  # fmt: skip
    inside = dict.fromkeys(truths, 0)
    for _ in range(150):
        drawn = levels[:, None] * rng.lognormal(-0.125, 0.5, (6, 30))
        scores = {str(i): [returns] for i, returns in enumerate(drawn)}
        for statistic, truth in truths.items():
            found = aggregate(statistic, scores, rng=rng, resamples=150)
            inside[statistic] += found.low <= truth <= found.high
    assert min(inside.values()) >= 0.89 * 150, inside


def test_coverage_of_the_chance_of_improvement() -> None:
    """Two normal sides one standard deviation apart: the chance is Phi(1 / sqrt 2)."""
    rng = np.random.default_rng(5)
    truth = stats.norm.cdf(1 / np.sqrt(2))
    inside = 0
    for _ in range(300):
        sides = [{g: [rng.normal(shift, 1, 20)] for g in "AB"} for shift in (1, 0)]
        found = aggregate_improvement(*sides, rng=rng, resamples=200)
        inside += found.low <= truth <= found.high
    assert inside / 300 >= 0.9
