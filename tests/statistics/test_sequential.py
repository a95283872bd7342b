"""The stopping rule: its looks, its interval by hand, and coverage where the play ends."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from sap_rl.errors import UsageError
from sap_rl.statistics.sequential import (
    StoppingRule,
    look,
    parse_stopping_rule,
    skewed_interval,
)

# 30 episodes of the shipped BankHeist agent, without attack and behind SAP-100 (seed 0, 5 minutes).
CLEAN = [
    860, 910, 980, 980, 1030, 970, 990, 1000, 940, 1070, 950, 990, 930, 960, 990, 1010, 850, 1000,
    890, 730, 870, 890, 950, 900, 910, 1030, 1020, 990, 980, 730,
]  # fmt: skip
DEFENDED = [
    570, 750, 700, 380, 620, 600, 700, 690, 820, 910, 530, 560, 390, 450, 640, 640, 480, 570, 530,
    580, 390, 710, 460, 750, 720, 700, 630, 460, 640, 420,
]  # fmt: skip
Draw = Callable[[np.random.Generator, int], np.ndarray]


def test_looks_grow_by_half_and_end_with_the_most() -> None:
    assert StoppingRule(10, least=30, most=100).looks == (30, 45, 68, 100)
    assert StoppingRule(10, least=30, most=30).looks == (30,)
    assert StoppingRule(10, least=20, most=45).looks == (20, 30, 45)  # 45 comes once
    assert StoppingRule(10, least=2, most=5).looks == (2, 3, 5)


def test_the_looks_share_the_error_by_their_episodes() -> None:
    rule = StoppingRule(10, least=30, most=100, level=0.9)
    spent = [1 - rule.level_at(n) for n in rule.looks]
    assert spent == pytest.approx([0.03, 0.015, 0.023, 0.032])
    with pytest.raises(ValueError, match=r"looks after \(30, 45, 68, 100\) episodes, not after 31"):
        rule.level_at(31)


def test_spelling() -> None:
    assert parse_stopping_rule("10%") == StoppingRule(10.0, "percent")
    assert parse_stopping_rule(" 2.5 %", most=60) == StoppingRule(2.5, "percent", most=60)
    assert parse_stopping_rule("25") == StoppingRule(25.0, "points")
    assert [parse_stopping_rule(text).text for text in ("10%", "2.5", "25")] == ["10%", "2.5", "25"]
    for text, why in (
        ("ten", "must be like 10% or 25"), ("%", "must be like"), ("0%", "above 0"),
        ("-3", "above 0"), ("nan", "above 0"), ("inf%", "above 0"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=why):
            parse_stopping_rule(text)
    with pytest.raises(UsageError, match="most must be at least 30, got 10"):
        parse_stopping_rule("10%", most=10)
    with pytest.raises(UsageError, match="least must be at least 2"):
        StoppingRule(10, least=1)
    with pytest.raises(UsageError, match="level must lie between 0 and 1"):
        StoppingRule(10, level=1.0)


def test_symmetric_returns_give_students_interval() -> None:
    returns = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    found = skewed_interval(returns, level=0.9)
    expected = stats.ttest_1samp(returns, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)


def test_the_bounds_solve_halls_equation() -> None:
    """At either bound the cubic transform of the t statistic is Student's quantile."""
    returns = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 9.0])
    found = skewed_interval(returns, level=0.95)
    count, mean, sd = 7, returns.mean(), returns.std(ddof=1)
    skewness = stats.skew(returns)
    quantile = stats.t.ppf(0.975, count - 1)
    for bound, transformed in ((found.low, quantile), (found.high, -quantile)):
        assert bound is not None
        t = math.sqrt(count) * (mean - bound) / sd
        cubic = t + skewness * t**2 / (3 * math.sqrt(count)) + skewness**2 * t**3 / (27 * count)
        assert cubic + skewness / (6 * math.sqrt(count)) == pytest.approx(transformed, rel=1e-9)


def test_mirrored_returns_have_the_mirrored_interval() -> None:
    returns = np.random.default_rng(0).lognormal(0, 1, 30)
    found, mirrored = (skewed_interval(sign * returns, level=0.95) for sign in (1, -1))
    assert found.low is not None
    assert found.high is not None
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), rel=1e-12)
    assert found.high - found.mean > 1.5 * (found.mean - found.low), "it reaches for the long tail"


def test_what_has_no_interval_is_played_on() -> None:
    rule = StoppingRule(10, least=3, most=9)
    constant = look([-21.0] * 3, rule)
    assert constant.interval.flags == ("no_variance",)
    assert (constant.narrow, constant.next) == (False, 5)
    last = look([-21.0] * 9, rule)
    assert (last.narrow, last.next) == (False, None)
    assert skewed_interval([3.0], level=0.9).flags == ("too_few_episodes",)
    with pytest.raises(ValueError, match="finite numbers"):
        skewed_interval([], level=0.9)
    with pytest.raises(ValueError, match="finite numbers"):
        skewed_interval([1.0, math.nan], level=0.9)


def test_width_in_percent_and_in_points() -> None:
    """The first 30 of these clean games at level 1 - 0.05 * 30 / 60: 943.3 - 43.3 .. + 29.4."""
    wide = look(CLEAN, StoppingRule(4.6, most=60))
    assert wide.interval.low == pytest.approx(900.01, abs=0.01)
    assert wide.interval.high == pytest.approx(972.77, abs=0.01)
    assert (wide.narrow, wide.next) == (True, None)  # the farther bound is 4.59% away
    assert look(CLEAN, StoppingRule(4.5, most=60)).next == 45
    assert look(CLEAN, StoppingRule(43.4, "points", most=60)).narrow
    assert not look(CLEAN, StoppingRule(43.2, "points", most=60)).narrow
    floor = [value - 940 for value in CLEAN]
    assert not look(floor, StoppingRule(10, most=60)).narrow, "no share of 3.3 points is reached"
    assert look(floor, StoppingRule(4.6, most=60), scale=-943.3).narrow
    minus = [-value for value in CLEAN]
    assert look(minus, StoppingRule(4.6, most=60)).narrow, "a negative mean has a size too"


def covered(draw: Draw, mean: float, *, runs: int, percent: float = 10.0) -> tuple[float, float]:
    """Share of runs whose interval holds the mean where the rule ends them, and their episodes."""
    rule = StoppingRule(percent)
    rng = np.random.default_rng(1)
    inside, played = 0, 0
    for _ in range(runs):
        returns = draw(rng, rule.most)
        episodes: int | None = rule.least
        while episodes is not None:
            now = look(returns[:episodes], rule)
            episodes = now.next
        low, high = now.interval.low, now.interval.high
        inside += low is not None and high is not None and low <= mean <= high
        played += now.episodes
    return inside / runs, played / runs


def resampled(returns: list[int]) -> tuple[Draw, float]:
    return lambda rng, n: rng.choice(returns, n), float(np.mean(returns))


LAWS: dict[str, tuple[Draw, float, float]] = {
    "clean games": (*resampled(CLEAN), 5.0),
    "defended games": (*resampled(DEFENDED), 10.0),
    "lognormal, sd of the log 0.5": (
        lambda rng, n: rng.lognormal(0, 0.5, n), math.exp(0.125), 10.0,
    ),
    "lognormal, sd of the log 1": (lambda rng, n: rng.lognormal(0, 1, n), math.exp(0.5), 20.0),
    "most games score nothing": (
        lambda rng, n: np.where(rng.random(n) < 0.7, 0.0, rng.gamma(1, 1, n)), 0.3, 30.0,
    ),
    "a long tail below": (lambda rng, n: 900 - rng.lognormal(4, 1, n), 900 - math.exp(4.5), 10.0),
}  # fmt: skip


@pytest.mark.parametrize("law", LAWS)
def test_coverage_where_the_play_ends(law: str) -> None:
    """250 runs at 95%: below 92% would be 2.2 standard errors under the claim."""
    draw, mean, percent = LAWS[law]
    share, _ = covered(draw, mean, runs=250, percent=percent)
    assert share >= 0.92


def test_looking_again_and_again_without_correction_would_miss_more_often() -> None:
    """The same simulation notices a rule that spends all of its error at every look."""
    rng = np.random.default_rng(2)
    rule = StoppingRule(30.0)
    missed = 0
    for _ in range(200):
        returns = rng.lognormal(0, 1, rule.most)
        intervals = [skewed_interval(returns[:n], level=0.95) for n in rule.looks]
        missed += any(not (i.low or 0) <= math.exp(0.5) <= (i.high or 0) for i in intervals)
    assert missed / 200 > 0.15


@pytest.mark.slow
def test_the_coverage_that_the_documentation_states() -> None:
    """4,000 runs each; the numbers stand in docs/statistics.md."""
    for law, (draw, mean, percent) in LAWS.items():
        share, episodes = covered(draw, mean, runs=4000, percent=percent)
        print(f"| {law} | {percent:g}% | {100 * share:.1f}% | {episodes:.0f} |")  # noqa: T201
        assert share > 0.94
    jackpot: Draw = lambda rng, n: np.where(rng.random(n) < 0.01, 20, 1) * rng.gamma(4, 0.25, n)  # noqa: E731
    share, episodes = covered(jackpot, 1.19, runs=4000)
    print(f"| 1% jackpots of 20 | 10% | {100 * share:.1f}% | {episodes:.0f} |")  # noqa: T201
    assert 0.90 < share < 0.95, "what has not been seen cannot be covered"
