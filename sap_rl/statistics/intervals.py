"""Intervals over the episodes of an evaluation, and the claims they allow.

They are of empirical likelihood (Owen, Empirical Likelihood, 2001, chapters 2 and 3): a mean is
left out where episodes weighted so that they have it are too much less likely than episodes that
count alike. How much is too much takes the quantile of Student's t and Bartlett's correction for
skewness (DiCiccio, Hall & Romano, Annals of Statistics 19, 1991), with the less biased moments of
Liu & Chen (Annals of Statistics 38, 2010). The bounds of a mean lie among the returns.

Every interval is over episodes of one trained network: it says nothing about other training
seeds. Where the data carry no interval the bounds are None and a flag says why; no function
returns NaN or infinity.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

Array = npt.NDArray[np.float64]
Returns = Sequence[float | int] | npt.NDArray[np.floating] | npt.NDArray[np.integer]

# An original arm that keeps under 5% of its clean lead over the random policy has no score left to
# compare with: a point or two more would be reported as hundreds of percent.
MIN_SHARE_OF_CLEAN_GAP = 0.05
# A bound is looked for up to 2**10 standard errors away: beyond, there is none.
DOUBLINGS = 10
# Parts into which the place of a bound is divided, again and again, down to 2**-32 of where it may
# be.
PARTS, DIVISIONS = 16, 8
NEWTON_STEPS, CONVERGED = 100, 1e-9
# Below this share of the largest part, what is left of every episode's part is rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """A mean return with its bounds; `flags` says why where `low` and `high` are None."""

    mean: float
    low: float | None
    high: float | None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class RelativeChange:
    """A relative change in percent with its bounds; `flags` says why where any of them is None."""

    percent: float | None
    low: float | None
    high: float | None
    flags: tuple[str, ...] = ()


def mean_interval(returns: Returns, *, level: float = 0.95) -> Interval:
    """Interval of the mean return.

    returns: [E], one per episode. Flags: `too_few_episodes` (E = 1), `no_variance` (all equal).
    Raises ValueError for no episodes, NaN or infinity, `level` outside (0, 1).
    """
    values = _episodes("returns", returns)
    _check_level(level)
    mean = float(values.mean())
    if values.size < 2:
        return Interval(mean, None, None, ("too_few_episodes",))
    if np.all(values == values[0]):
        return Interval(mean, None, None, ("no_variance",))
    unit = float(np.abs(values - mean).max())
    ends = _ends((values - mean) / unit, np.ones(values.size), level)
    assert ends is not None  # beyond the returns there is nothing
    low, high = (mean + end * unit for end in ends)
    return Interval(mean, max(low, float(values.min())), min(high, float(values.max())))


def difference_interval(a: Returns, b: Returns, *, level: float = 0.95) -> Interval:
    """Interval of mean(a - b), episode i of `a` paired with episode i of `b`.

    a, b: [E]. Flags as in `mean_interval`, of the differences: a constant shift is `no_variance`.
    Raises ValueError as `mean_interval` does, and for unequal numbers of episodes.
    """
    first, second = _paired(("a", a), ("b", b))
    return mean_interval(first - second, level=level)


def relative_change(
    original: Returns, defended: Returns, *, clean_gap: float | None, level: float = 0.95
) -> RelativeChange:
    """Change of the mean return in percent of the original's, with an interval, paired.

    original, defended: [E], episode i of both arms played from the same seed. clean_gap: the
    original's mean clean return minus the random policy's, in points; None leaves the sign as the
    only test of the denominator. Flags: those of `mean_interval` (the percentage stays, the
    bounds are None), and `unstable_denominator` (all three are None): the original's interval
    reaches 0 or a twentieth of the gap, or the change has no end.
    Raises ValueError as `difference_interval` does, and for a `clean_gap` that is not finite.
    """
    first, second = _paired(("original", original), ("defended", defended))
    smallest = _smallest_denominator(clean_gap)
    base = mean_interval(first, level=level)
    sign = float(np.sign(base.mean))
    nearest = [end for end in (base.mean, base.low, base.high) if end is not None]
    least = min(sign * end for end in nearest)
    if least <= 0 or least < smallest:
        return RelativeChange(None, None, None, ("unstable_denominator",))
    ratio = float((second.mean() - first.mean()) / abs(base.mean))
    if first.size < 2:
        return RelativeChange(100 * ratio, None, None, ("too_few_episodes",))
    scale = max(float(np.abs(first).max()), float(np.abs(second).max()))
    own = sign * first / scale
    parts = (second - first) / scale - ratio * own
    if np.abs(parts).max() <= ROUNDING * (1 + abs(ratio)):
        return RelativeChange(100 * ratio, None, None, ("no_variance",))
    ends = _ends(parts, own, level)
    if ends is None:
        return RelativeChange(None, None, None, ("unstable_denominator",))
    low, high = (100 * (ratio + end) for end in ends)
    return RelativeChange(100 * ratio, low, high)


@dataclass(frozen=True)
class Moments:
    """A sample by its mean, its standard deviation (n - 1) and its size."""

    mean: float
    sd: float
    count: int


def welch_interval(a: Moments, b: Moments, *, level: float = 0.99) -> Interval:
    """Interval of the difference a - b of two independent means with variances of their own.

    Flag `no_variance` where neither sample varies: the bounds are the difference then. ValueError
    for fewer than two values in a sample, or `level` outside (0, 1). Source: Welch, Biometrika 34
    (1947), with Satterthwaite's degrees of freedom.
    """
    if min(a.count, b.count) < 2:
        raise ValueError(f"each sample needs 2 values, got {a.count} and {b.count}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    difference = a.mean - b.mean
    share_a, share_b = a.sd**2 / a.count, b.sd**2 / b.count
    variance = share_a + share_b
    if variance == 0.0:
        return Interval(difference, difference, difference, ("no_variance",))
    freedom = variance**2 / (share_a**2 / (a.count - 1) + share_b**2 / (b.count - 1))
    margin = float(stdtrit(freedom, 0.5 + level / 2)) * variance**0.5
    return Interval(difference, difference - margin, difference + margin)


def reaches(interval: Interval, floor: Interval) -> bool:
    """Whether an arm's interval reaches down to the random policy's; a mean serves for a bound."""
    low = interval.mean if interval.low is None else interval.low
    high = floor.mean if floor.high is None else floor.high
    return low <= high


def normalised(mean: float, *, random: float, human: float) -> float | None:
    """Score with the random policy at 0 and the human at 1; None where the two score the same."""
    return None if human == random else (mean - random) / (human - random)


def _episodes(name: str, values: Returns) -> Array:
    """An arm's returns as float64 [E], refused with index and value where one is not finite."""
    returns = np.asarray(values, dtype=np.float64)
    if returns.ndim != 1 or returns.size == 0:
        raise ValueError(f"{name} has shape {returns.shape}; expected [E] with E >= 1 episodes")
    if not np.isfinite(returns).all():
        index = int(np.argmin(np.isfinite(returns)))
        raise ValueError(f"{name}[{index}] is {returns[index]}; returns must be finite")
    return returns


def _paired(first: tuple[str, Returns], second: tuple[str, Returns]) -> tuple[Array, Array]:
    """Two named arms as float64 [E] each, refused where their numbers of episodes differ."""
    a, b = _episodes(*first), _episodes(*second)
    if a.size != b.size:
        raise ValueError(
            f"paired arms need equal episodes: {first[0]} has {a.size}, {second[0]} has {b.size}"
        )
    return a, b


def _smallest_denominator(clean_gap: float | None) -> float:
    """The least |mean original return| that carries a percentage, in points."""
    if clean_gap is None:
        return 0.0
    if not np.isfinite(clean_gap):
        raise ValueError(f"clean_gap is {clean_gap}; expected a finite number or None")
    return MIN_SHARE_OF_CLEAN_GAP * abs(clean_gap)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected a number between 0 and 1, such as 0.95")


def _ends(parts: Array, weights: Array, level: float) -> tuple[float, float] | None:
    """The least and the largest theta that mean(parts - theta * weights) = 0 may have, or None
    where one of them is not there.

    parts [E]: mean 0, so that the estimate is theta = 0; weights [E], of positive mean.
    """
    far = _far(parts, level)

    def left_out(theta: Array) -> npt.NDArray[np.bool_]:
        return _distance(parts - theta[:, np.newaxis] * weights) >= far

    outside = np.array([-1.0, 1.0]) * parts.std() / weights.mean() / parts.size**0.5
    for _ in range(DOUBLINGS):
        out = left_out(outside)
        if out.all():
            break
        outside = np.where(out, outside, 2 * outside)
    else:
        return None
    inside, cuts = np.zeros(2), np.linspace(0, 1, PARTS + 1)
    for _ in range(DIVISIONS):
        places = np.outer(inside, 1 - cuts) + np.outer(outside, cuts)
        first = left_out(places[:, 1:].ravel()).reshape(2, PARTS).argmax(axis=1)
        inside, outside = places[[0, 1], first], places[[0, 1], first + 1]
    return float(inside[0]), float(inside[1])


def _far(parts: Array, level: float) -> float:
    """The largest distance that an interval of this level holds, from parts [E] of mean 0.

    Student's t squared, for a variance that divides by E, over one minus Bartlett's correction
    (Liu & Chen 2010, section 3), which is at most a half.
    """
    count = parts.size
    scaled = parts / np.abs(parts).max()  # keeps the powers in range; the ratios have no unit
    second, third, fourth, sixth = ((scaled**power).mean() for power in (2, 3, 4, 6))
    square = second**2 - fourth / count
    cube = max(0.0, third**2 - (sixth - third**2) / count)
    variance = second * count / (count - 1)
    correction = count / 2
    if square > 0:
        correction = min(correction, fourth / (2 * square) - cube / (3 * variance**3))
    student = float(stdtrit(count - 1, 0.5 + level / 2)) ** 2 * count / (count - 1)
    return student / (1 - max(0.0, correction) / count)


def _distance(parts: Array) -> Array:
    """-2 log of the empirical likelihood ratio of mean 0 for parts [N, E] -> [N], infinite where 0
    lies beyond them.

    Owen (2001), section 2.9: the multiplier is the root of sum(part / (1 + multiplier * part)),
    here by Newton's method between bounds.
    """
    low, high = parts.min(axis=1), parts.max(axis=1)
    found = np.full(len(parts), np.inf)
    among = (low < 0) & (high > 0)
    parts, low, high = parts[among], low[among], high[among]
    share = 1 - 1 / parts.shape[1]
    least, most, multiplier = -share / high, -share / low, np.zeros(len(parts))
    for _ in range(NEWTON_STEPS if len(parts) else 0):
        terms = parts / (1 + multiplier[:, np.newaxis] * parts)
        slope = terms.sum(axis=1)
        least = np.where(slope > 0, multiplier, least)
        most = np.where(slope < 0, multiplier, most)
        step = multiplier + slope / (terms**2).sum(axis=1)
        within = (step > least) & (step < most)
        before, multiplier = multiplier, np.where(within, step, (least + most) / 2)
        if np.all(np.abs(multiplier - before) <= CONVERGED * np.abs(multiplier)):
            break
    found[among] = 2 * np.log1p(multiplier[:, np.newaxis] * parts).sum(axis=1)
    return found
