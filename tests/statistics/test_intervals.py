"""Intervals against the likelihood, cases by hand, and coverage measured by simulation."""

import math
from collections.abc import Callable
from dataclasses import astuple

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from sap_rl.statistics.intervals import (
    Interval,
    Moments,
    RelativeChange,
    difference_interval,
    mean_interval,
    normalised,
    reaches,
    relative_change,
    welch_interval,
)

Array = npt.NDArray[np.float64]


def seeded(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def correlated_scores(episodes: int) -> tuple[Array, Array]:
    """Whole skewed scores of two arms that share most of each episode's luck."""
    rng = seeded(3)
    original = np.round(10 * rng.lognormal(0, 1, episodes))
    return original, np.round(0.5 * original + 10 * rng.lognormal(0, 0.5, episodes))


# By hand


def likelihood_ratio(returns: Array, mean: float) -> float:
    """-2 log of the empirical likelihood ratio of a mean, by bisection of its multiplier."""
    parts = returns - mean
    low, high = -1 / parts.max(), -1 / parts.min()
    for _ in range(200):
        middle = (low + high) / 2
        slope = (parts / (1 + middle * parts)).sum()
        low, high = (middle, high) if slope > 0 else (low, middle)
    return float(2 * np.log(1 + low * parts).sum())


def allowed(returns: Array, level: float) -> float:
    """Student's t squared, n / (n - 1) times, over 1 - b / n, b at most n / 2."""
    n, parts = len(returns), returns - returns.mean()
    m2, m3, m4, m6 = (np.mean(parts**k) for k in (2, 3, 4, 6))
    b = m4 / (2 * (m2**2 - m4 / n))
    b -= max(0.0, m3**2 - (m6 - m3**2) / n) / (3 * (n / (n - 1) * m2) ** 3)
    return float(stats.t.ppf(0.5 + level / 2, n - 1) ** 2 * n / (n - 1) / (1 - min(b / n, 0.5)))


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("episodes", [10, 30, 200])
def test_the_bounds_lie_where_the_likelihood_says(episodes: int, level: float) -> None:
    returns = seeded(3).lognormal(0, 0.3, episodes)
    found = mean_interval(returns, level=level)
    assert found.low < found.mean < found.high
    ends = [likelihood_ratio(returns, end) for end in (found.low, found.high)]
    assert ends == pytest.approx([allowed(returns, level)] * 2, rel=1e-6)


def test_two_kinds_of_games_are_a_binomial_by_hand() -> None:
    """6 of 30 games score 1: the ratio of a share p is that of the binomial likelihoods, in closed
    form. b: m2 0.16, m3 0.096, m4 0.0832, m6 0.053248; 0.0832 / (2 * (0.0256 - 0.0832 / 30)) =
    1.8222, less (0.009216 - (0.053248 - 0.009216) / 30) / (3 * (0.16 * 30 / 29)**3) = 0.5699."""
    found = mean_interval([1.0] * 6 + [0.0] * 24)
    far = 2.04523**2 * 30 / 29 / (1 - 1.2510 / 30)
    for p in (found.low, found.high):
        ratio = 60 * (0.2 * math.log(0.2 / p) + 0.8 * math.log(0.8 / (1 - p)))
        assert ratio == pytest.approx(far, rel=1e-3)


def test_symmetric_returns_have_a_symmetric_interval() -> None:
    found = mean_interval([1.0, 2.0, 3.0, 5.0, 6.0, 7.0])
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_a_change_is_left_out_where_its_mean_part_is() -> None:
    """At a bound p the games' defended - original - p / 100 * original have mean 0 as unlikely as
    is allowed, whatever the sign of the scores."""
    original = 10 + np.arange(30.0) % 7
    defended = 0.7 * original + np.arange(30.0) % 5
    for sign in (1, -1):
        found = relative_change(sign * original, sign * defended, clean_gap=None)
        parts = defended - original - sign * found.percent / 100 * original
        assert parts.mean() == pytest.approx(0, abs=1e-9)
        for end in (found.low, found.high):
            moved = defended - original - sign * end / 100 * original
            assert likelihood_ratio(moved, 0.0) == pytest.approx(allowed(parts, 0.95), rel=1e-6)


@pytest.mark.parametrize(
    ("original", "defended", "percent"),
    [
        ([10.0, 30.0], [20.0, 40.0], 50.0),
        ([10.0, 30.0], [0.0, 10.0], -75.0),
        ([-21.0, -19.0], [-11.0, -9.0], 50.0),  # Pong: less negative is better
        ([-21.0, -19.0], [9.0, 11.0], 150.0),
    ],
)
def test_percent_by_hand(original: list[float], defended: list[float], percent: float) -> None:
    change = relative_change(original, defended, clean_gap=None)
    assert change.percent == percent
    assert change.flags == ()


def test_whole_scores_and_arrays_are_the_same_returns() -> None:
    expected = mean_interval([1.0, 2.0, 5.0])
    assert mean_interval([1, 2, 5]) == expected
    assert mean_interval(np.array([1, 2, 5])) == expected


@pytest.mark.parametrize(
    ("arm", "floor", "reached"),
    [
        (Interval(9.0, 5.0, 12.0), Interval(3.0, 1.0, 5.0), True),  # touching is reaching
        (Interval(9.0, 5.1, 12.0), Interval(3.0, 1.0, 5.0), False),
        (Interval(9.0, None, None), Interval(3.0, 1.0, 9.0), True),
        (Interval(9.0, None, None), Interval(3.0, 1.0, 8.9), False),
        (Interval(9.0, 3.0, 12.0), Interval(3.0, None, None), True),
        (Interval(9.0, 3.1, 12.0), Interval(3.0, None, None), False),
        (Interval(-9.0, 0.0, 12.0), Interval(-9.0, -9.0, 0.0), True),  # a bound of 0 is a bound
        (Interval(1.0, 0.0, 12.0), Interval(9.0, -9.0, 0.0), True),
    ],
)
def test_reaches(arm: Interval, floor: Interval, reached: bool) -> None:
    assert reaches(arm, floor) is reached


def test_normalised_by_hand() -> None:
    assert normalised(400.0, random=100.0, human=700.0) == 0.5
    assert normalised(100.0, random=100.0, human=700.0) == 0.0
    assert normalised(-30.0, random=-20.0, human=0.0) == -0.5
    assert normalised(7.0, random=3.0, human=3.0) is None


# Pairs


def test_pairing_narrows_and_shuffling_widens() -> None:
    """Shuffled episodes keep both means; only the pairing is lost."""
    original, defended = correlated_scores(30)
    shuffled = seeded(8).permutation(defended)
    for interval in (difference_interval, _change_without_gap):
        paired, lost = (interval(original, arm) for arm in (defended, shuffled))
        assert astuple(paired)[0] == astuple(lost)[0]
        assert paired.high - paired.low < 0.7 * (lost.high - lost.low)


def _change_without_gap(original: Array, defended: Array) -> RelativeChange:
    return relative_change(original, defended, clean_gap=None)


def test_difference_is_the_interval_of_the_differences() -> None:
    a, b = [9.0, 4.0, 7.0], [1.0, 2.0, 9.0]
    interval = difference_interval(a, b)
    assert interval == mean_interval([8.0, 2.0, -2.0])
    assert interval.mean == pytest.approx(8 / 3)


def test_a_constant_shift_has_no_variance_as_difference_but_has_as_percentage() -> None:
    original = np.array([10.0, 20.0, 60.0])
    shift = difference_interval(original + 3, original)
    assert shift == Interval(3.0, None, None, ("no_variance",))
    change = relative_change(original, original + 3, clean_gap=None)
    assert change.percent == pytest.approx(10.0)
    assert 0 < change.low < 10 < change.high


@pytest.mark.parametrize(("factor", "percent"), [(1.0, 0.0), (2.0, 100.0), (0.5, -50.0)])
def test_a_constant_factor_has_no_variance_as_percentage(factor: float, percent: float) -> None:
    original, _ = correlated_scores(30)
    change = relative_change(original, factor * original, clean_gap=None)
    assert change == RelativeChange(percent, None, None, ("no_variance",))


# Flags


def test_one_episode_is_too_few() -> None:
    flags = ("too_few_episodes",)
    assert mean_interval([7.0]) == Interval(7.0, None, None, flags)
    assert difference_interval([7.0], [4.0]) == Interval(3.0, None, None, flags)
    change = relative_change([4.0], [7.0], clean_gap=None)
    assert change == RelativeChange(75.0, None, None, flags)


def test_equal_returns_have_no_variance() -> None:
    flags = ("no_variance",)
    interval = mean_interval([0.1] * 30)  # 0.1: a sum that rounding could scatter
    assert astuple(interval) == (pytest.approx(0.1), None, None, flags)
    change = relative_change([4.0] * 30, [7.0] * 30, clean_gap=None)
    assert change == RelativeChange(75.0, None, None, flags)
    one_varies = relative_change([4.0, 4.0], [7.0, 9.0], clean_gap=None)
    assert one_varies.flags == ()


UNSTABLE = RelativeChange(None, None, None, ("unstable_denominator",))


@pytest.mark.parametrize("clean_gap", [None, 100.0, -100.0])
def test_unstable_where_the_originals_interval_reaches_the_least_denominator(
    clean_gap: float | None,
) -> None:
    least = 5.0 if clean_gap else 0.0
    spread = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 0.0, 0.5, -0.5])
    down = -mean_interval(spread).low
    above, below = (
        relative_change(least + shift + spread, 2 * spread + 20, clean_gap=clean_gap)
        for shift in (down * 1.01, down * 0.99)
    )
    assert above.percent is not None
    assert below == UNSTABLE


@pytest.mark.parametrize("clean_gap", [100.0, -100.0])
def test_a_denominator_of_5_percent_of_the_clean_gap_carries_a_percentage(clean_gap: float) -> None:
    at, below = (
        relative_change([mean] * 4, [10.0] * 4, clean_gap=clean_gap)
        for mean in (5.0, math.nextafter(5.0, 0.0))
    )
    assert at == RelativeChange(100.0, None, None, ("no_variance",))
    assert below == UNSTABLE


def test_without_a_clean_gap_only_the_sign_counts() -> None:
    original, defended = [1e-9, 3e-9], [1.0, 4.0]
    assert relative_change(original, defended, clean_gap=None).flags == ()
    assert relative_change(original, defended, clean_gap=0.0).flags == ()
    assert relative_change(original, defended, clean_gap=1.0) == UNSTABLE


@pytest.mark.parametrize(("losses", "flags"), [(3, ()), (5, ("unstable_denominator",))])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_mean_near_zero_is_no_denominator(losses: int, flags: tuple[str, ...], sign: int) -> None:
    """15 games of +1 or -1: a binomial ratio of 5.78 for half of them lost, against 5.54
    allowed, and 1.70 against 5.18. A mean below zero is as good a denominator."""
    original = sign * np.array([-1.0] * losses + [1.0] * (15 - losses))
    assert relative_change(original, original[::-1] * 2, clean_gap=None).flags == flags


@pytest.mark.parametrize("original", [[0.0, 0.0, 0.0], [-2.0, 1.0, 1.0], [0.0]])
def test_a_mean_of_zero_is_no_denominator(original: list[float]) -> None:
    defended = [5.0] * len(original)
    assert relative_change(original, defended, clean_gap=None) == UNSTABLE


# Small and odd samples


def test_the_bounds_of_a_mean_lie_among_the_returns() -> None:
    for returns in ([0.0, 10.0], [0.0, 0.0, 3.0], [0.0] * 29 + [1.0], [1.0, 1.0, 1.0, 1.0 + 1e-10]):
        for level in (0.5, 0.95, math.nextafter(1.0, 0.0)):
            found = mean_interval(returns, level=level)
            assert min(returns) <= found.low < found.mean < found.high <= max(returns)


def test_one_score_in_thirty_games_is_as_wide_as_the_exact_interval() -> None:
    """Clopper and Pearson: 0.0008 to 0.172 of a game in 30."""
    found = mean_interval([0.0] * 29 + [1.0])
    exact = stats.binomtest(1, 30).proportion_ci()
    assert found.low < exact.low
    assert exact.high < found.high < 0.25


def test_a_change_without_an_end_is_no_percentage() -> None:
    """One game carries the whole denominator: without it the change is infinite."""
    assert relative_change([0, 0, 5], [1, 2, 3], clean_gap=None) == UNSTABLE


@pytest.mark.parametrize("unit", [2.0**-600, 2.0**300])
def test_the_unit_of_the_scores_scales_the_interval(unit: float) -> None:
    """Powers of two are exact; the sixth powers would leave float64 here."""
    scores = np.array([1.0, 2.0, 2.0, 9.0])
    small, large = (mean_interval(scores * scale) for scale in (1.0, unit))
    assert (large.low, large.high) == (small.low * unit, small.high * unit)


def test_every_small_case_has_finite_ordered_bounds_or_a_flag() -> None:
    """Warnings are errors here, so that no division by zero passes either."""
    rng = seeded(0)
    seen = set()
    for _ in range(100):
        arms = rng.integers(-1, 4, size=(2, rng.integers(1, 7))).astype(float)
        change = relative_change(*arms, clean_gap=None)
        difference = difference_interval(*arms)
        for value, low, high, flags in (astuple(change), astuple(difference)):
            seen.update(flags)
            assert len(flags) == (low is None) == (high is None)
            assert (value is None) == (flags == ("unstable_denominator",))
            assert low is None or (-math.inf < low <= high < math.inf)
    assert seen == {"too_few_episodes", "no_variance", "unstable_denominator"}


# Refusals


def test_refuses_returns_that_are_not_finite_or_not_paired() -> None:
    with pytest.raises(ValueError, match=r"returns\[1\] is nan; returns must be finite"):
        mean_interval([1.0, math.nan, math.inf])
    with pytest.raises(ValueError, match=r"b\[2\] is -inf"):
        difference_interval([1.0, 2.0, 3.0], [1.0, 2.0, -math.inf])
    with pytest.raises(ValueError, match=r"defended\[0\] is inf"):
        relative_change([1.0, 2.0], [math.inf, 2.0], clean_gap=None)
    with pytest.raises(ValueError, match="need equal episodes: a has 3, b has 2"):
        difference_interval([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="original has 1, defended has 2"):
        relative_change([1.0], [1.0, 2.0], clean_gap=None)


def test_refuses_shapes_and_settings_that_mean_nothing() -> None:
    with pytest.raises(ValueError, match=r"returns has shape \(0,\); expected \[E\]"):
        mean_interval([])
    with pytest.raises(ValueError, match=r"returns has shape \(2, 3\)"):
        mean_interval(np.ones((2, 3)))
    for level in (0.0, 1.0, 95.0):
        with pytest.raises(ValueError, match=f"level is {level}"):
            mean_interval([1.0, 2.0], level=level)
    with pytest.raises(ValueError, match="clean_gap is nan"):
        relative_change([1.0, 2.0], [1.0, 2.0], clean_gap=math.nan)


# Coverage, measured


def lognormal(rng: np.random.Generator, episodes: int) -> Array:
    """Mean exp(1/2), skewness 6.2."""
    return rng.lognormal(0, 1, episodes)


def rare_jackpots(rng: np.random.Generator, episodes: int) -> Array:
    """Four games in five score about 2, one in five about 100; mean 21.6."""
    jackpots = rng.gamma(4, 25, episodes)
    return np.where(rng.random(episodes) < 0.2, jackpots, rng.exponential(2, episodes))


def lognormal_arms(rng: np.random.Generator, episodes: int) -> tuple[Array, Array]:
    """Defended is 20% better; the logarithms correlate at 0.8."""
    shared, own = rng.standard_normal((2, episodes))
    return np.exp(shared), 1.2 * np.exp(0.8 * shared + 0.6 * own)


def jackpot_arms(rng: np.random.Generator, episodes: int) -> tuple[Array, Array]:
    """Means 20 + 2 and 0.7 * 20 + 2: the defended arm keeps 70% of the same jackpots."""
    jackpots = np.where(rng.random(episodes) < 0.2, rng.gamma(4, 25, episodes), 0.0)
    original, defended = rng.exponential(2, (2, episodes))
    return jackpots + original, 0.7 * jackpots + defended


def misses(
    interval: Callable[[np.random.Generator], Interval | RelativeChange],
    truth: float,
    *,
    trials: int,
) -> tuple[float, float]:
    """Shares of simulated evaluations whose interval lies wholly above, or below, the truth."""
    rng = seeded(0)
    bounds = [interval(rng) for _ in range(trials)]
    above = sum(b.low is not None and truth < b.low for b in bounds)
    below = sum(b.high is not None and truth > b.high for b in bounds)
    return above / trials, below / trials


COVERED: dict[str, tuple[Callable[..., Interval | RelativeChange], float]] = {
    "mean, lognormal": (lambda rng: mean_interval(lognormal(rng, 30)), math.exp(0.5)),
    "mean, jackpots": (lambda rng: mean_interval(rare_jackpots(rng, 30)), 21.6),
    "change, lognormal": (
        lambda rng: relative_change(*lognormal_arms(rng, 30), clean_gap=None), 20.0
    ),
    "change, jackpots": (
        lambda rng: relative_change(*jackpot_arms(rng, 30), clean_gap=None), 100 * (16 / 22 - 1)
    ),
}  # fmt: skip
"""The cases of docs/statistics.md and their truths."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "above", "below"),
    [
        ("mean, lognormal", 0.009, 0.066),
        ("mean, jackpots", 0.017, 0.026),
        ("change, lognormal", 0.029, 0.029),
        ("change, jackpots", 0.018, 0.025),
    ],
)
def test_coverage_at_30_episodes(case: str, above: float, below: float) -> None:
    """4,000 evaluations: a share of 0.06 has a standard error of 0.004."""
    measured = misses(*COVERED[case], trials=4000)
    assert measured == pytest.approx((above, below), abs=0.012)


@pytest.mark.slow
def test_coverage_nears_95_percent_at_500_episodes() -> None:
    """Measured 93.8% (mean) and 93.2% (change) of 2000 lognormal evaluations."""
    for interval, truth in (
        (lambda rng: mean_interval(lognormal(rng, 500)), math.exp(0.5)),
        (
            lambda rng: relative_change(*lognormal_arms(rng, 500), clean_gap=None),
            20.0,
        ),
    ):
        covered = 1 - sum(misses(interval, truth, trials=2000))
        assert covered == pytest.approx(0.935, abs=0.015)  # a standard error is 0.0055


def moments(values: Array) -> Moments:
    return Moments(float(values.mean()), float(values.std(ddof=1)), len(values))


@pytest.mark.parametrize("level", [0.9, 0.99])
@pytest.mark.parametrize(("sizes", "scales"), [((100, 30), (1.0, 9.0)), ((2, 5), (3.0, 0.1))])
def test_welch_interval_is_scipys(
    level: float, sizes: tuple[int, int], scales: tuple[float, float]
) -> None:
    rng = seeded()
    a, b = (rng.normal(3.0, scale, size) for size, scale in zip(sizes, scales, strict=True))
    found = welch_interval(moments(a), moments(b), level=level)
    twin = stats.ttest_ind(a, b, equal_var=False).confidence_interval(level)
    assert (found.low, found.high) == pytest.approx((twin.low, twin.high), rel=1e-9)
    assert found.mean == pytest.approx(a.mean() - b.mean())
    assert found.flags == ()


def test_welch_interval_without_variance_and_refusals() -> None:
    same = welch_interval(Moments(3.0, 0.0, 5), Moments(1.0, 0.0, 9))
    assert same == Interval(2.0, 2.0, 2.0, ("no_variance",))
    with pytest.raises(ValueError, match="needs 2 values, got 5 and 1"):
        welch_interval(Moments(3.0, 0.0, 5), Moments(1.0, 0.0, 1))
    with pytest.raises(ValueError, match="between 0 and 1, got 1"):
        welch_interval(Moments(3.0, 0.0, 5), Moments(1.0, 0.0, 5), level=1.0)
