"""Bootstrap intervals over the episodes of an evaluation, and the claims they allow.

Every interval resamples episodes of one trained network: it says nothing about other training
seeds. Where the data carry no interval the bounds are None and a flag says why; no function
returns NaN or infinity.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

Array = npt.NDArray[np.float64]
Returns = Sequence[float | int] | npt.NDArray[np.floating] | npt.NDArray[np.integer]
Bounds = tuple[float | None, float | None, tuple[str, ...]]

# A 95% interval leaves 2.5% in each tail: once more than that share of the resampled denominators
# is unusable, a bound of the percentage is read off a division by nearly nothing.
MAX_UNSTABLE_SHARE = 0.025
# An original arm that keeps under 5% of its clean lead over the random policy has no score left to
# compare with: a point or two more would be reported as hundreds of percent.
MIN_SHARE_OF_CLEAN_GAP = 0.05
# BCa's tails are taken 1 + this / episodes times as far out as the normal's: of few episodes it
# covers less than it says. Chosen by simulation: docs/statistics.md.
EXTRA_REACH = 6.0
# Indices drawn at a time: 8 MB of int64, whatever the number of episodes.
CHUNK_INDICES = 1_000_000


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


def mean_interval(
    returns: Returns, *, rng: np.random.Generator, resamples: int = 10_000, level: float = 0.95
) -> Interval:
    """BCa bootstrap interval of the mean return, widened where episodes are few.

    Its tails lie 1 + 6 / E times as far out on the normal's scale as those of plain BCa (see
    `EXTRA_REACH`). returns: [E], one per episode. Flags: `too_few_episodes` (E = 1), `no_variance`
    (all equal), `degenerate_bootstrap` (the resamples leave the correction undefined).
    Raises ValueError for no episodes, NaN or infinity, `resamples` < 1, `level` outside (0, 1).
    Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), section 14.3.
    """
    columns = _episodes("returns", returns)[np.newaxis]
    means = _resampled_means(columns, rng=rng, resamples=resamples)
    low, high, flags = _bounds(columns, means, statistic=lambda means: means[0], level=level)
    return Interval(float(columns.mean()), low, high, flags)


def difference_interval(
    a: Returns,
    b: Returns,
    *,
    rng: np.random.Generator,
    resamples: int = 10_000,
    level: float = 0.95,
) -> Interval:
    """BCa bootstrap interval of mean(a - b), episode i of `a` paired with episode i of `b`.

    a, b: [E]. Flags as in `mean_interval`, of the differences: a constant shift is `no_variance`.
    Raises ValueError as `mean_interval` does, and for unequal numbers of episodes.
    """
    first, second = _paired(("a", a), ("b", b))
    return mean_interval(first - second, rng=rng, resamples=resamples, level=level)


def relative_change(
    original: Returns,
    defended: Returns,
    *,
    clean_gap: float | None,
    rng: np.random.Generator,
    resamples: int = 10_000,
    level: float = 0.95,
) -> RelativeChange:
    """Change of the mean return in percent of the original's, with a paired BCa interval.

    original, defended: [E], episode i of both arms played from the same seed. clean_gap: the
    original's mean clean return minus the random policy's, in points; None leaves the sign as the
    only test of the denominator. Flags: those of `mean_interval` (the percentage stays, the
    bounds are None), and `unstable_denominator` (all three are None).
    Raises ValueError as `difference_interval` does, and for a `clean_gap` that is not finite.
    """
    columns = np.stack(_paired(("original", original), ("defended", defended)))
    smallest = _smallest_denominator(clean_gap)
    means = _resampled_means(columns, rng=rng, resamples=resamples)
    if _unstable_share(means[0], columns[0].mean(), smallest=smallest) > MAX_UNSTABLE_SHARE:
        return RelativeChange(None, None, None, ("unstable_denominator",))
    percent = float(_percent_change(columns.mean(axis=1, keepdims=True))[0])
    return RelativeChange(percent, *_bounds(columns, means, statistic=_percent_change, level=level))


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


def _resampled_means(columns: Array, *, rng: np.random.Generator, resamples: int) -> Array:
    """Means [K, resamples] of K arms [K, E] that share every resample's episodes."""
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; expected at least 1")
    episodes = columns.shape[1]
    rows = max(1, CHUNK_INDICES // episodes)
    means = []
    for start in range(0, resamples, rows):
        indices = rng.integers(0, episodes, size=(min(rows, resamples - start), episodes))
        means.append(np.take(columns, indices, axis=1).mean(axis=2))
    return np.concatenate(means, axis=1)


def _leave_one_out_means(columns: Array) -> Array:
    """Jackknife means [K, E]: column i leaves episode i out of arms [K, E]."""
    means: Array = (columns.sum(axis=1, keepdims=True) - columns) / (columns.shape[1] - 1)
    return means


def _percent_change(means: Array) -> Array:
    """100 * (defended - original) / |original| of means [2, N] -> [N]; infinite where it is x / 0.

    0 / 0 counts as no change. Infinity only orders the resamples: `_bounds` never returns it.
    """
    original, defended = means
    with np.errstate(divide="ignore", invalid="ignore"):
        percent = 100 * ((defended - original) / np.abs(original))
    return np.where(np.isnan(percent), 0.0, percent)


def _smallest_denominator(clean_gap: float | None) -> float:
    """The least |mean original return| that carries a percentage, in points."""
    if clean_gap is None:
        return 0.0
    if not np.isfinite(clean_gap):
        raise ValueError(f"clean_gap is {clean_gap}; expected a finite number or None")
    return MIN_SHARE_OF_CLEAN_GAP * abs(clean_gap)


def _unstable_share(denominators: Array, mean: float, *, smallest: float) -> float:
    """Share of resampled denominators [R] of another sign than `mean`, 0, or below `smallest`."""
    wrong_sign = np.sign(denominators) != np.sign(mean)
    too_small = (denominators == 0) | (np.abs(denominators) < smallest)
    return float(np.mean(wrong_sign | too_small))


def _bounds(
    columns: Array, means: Array, *, statistic: Callable[[Array], Array], level: float
) -> Bounds:
    """BCa bounds and flags of a statistic of the means of K arms.

    columns: [K, E] returns; means: [K, R] resampled means; statistic: [K, N] -> [N].
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected a number between 0 and 1, such as 0.95")
    if columns.shape[1] < 2:
        return None, None, ("too_few_episodes",)
    jackknife = statistic(_leave_one_out_means(columns))
    if np.all(jackknife == jackknife[0]):
        return None, None, ("no_variance",)
    estimate = float(statistic(columns.mean(axis=1, keepdims=True))[0])
    reach = 1 + EXTRA_REACH / columns.shape[1]
    bounds = _bca(statistic(means), estimate, jackknife=jackknife, level=level, reach=reach)
    return (None, None, ("degenerate_bootstrap",)) if bounds is None else (*bounds, ())


def _bca(
    resampled: Array, estimate: float, *, jackknife: Array, level: float, reach: float
) -> tuple[float, float] | None:
    """Bias-corrected and accelerated bounds, or None where they are not defined.

    resampled: [R] bootstrap statistics; jackknife: [E] leave-one-out statistics; reach: how many
    times as far out as the normal's quantiles at `level` the tails are.
    Source: Efron & Tibshirani (1993), eqs. 14.9, 14.10, 14.14 and 14.15.
    """
    bias_share = _share_below(resampled, estimate)
    acceleration = _acceleration(jackknife)
    if acceleration is None or not 0 < bias_share < 1:
        return None
    normal = NormalDist()
    bias = normal.inv_cdf(bias_share)
    ordered = np.sort(resampled)
    bounds = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        shifted = bias + reach * normal.inv_cdf(tail)
        stretch = 1 - acceleration * shifted
        if stretch <= 0:
            return None
        bounds.append(_quantile(ordered, normal.cdf(bias + shifted / stretch)))
    return (bounds[0], bounds[1]) if np.isfinite(bounds).all() else None


def _share_below(resampled: Array, estimate: float) -> float:
    """Share of [R] statistics below the estimate; ties, common with whole scores, count half."""
    return float(np.mean(resampled < estimate) + np.mean(resampled <= estimate)) / 2


def _acceleration(jackknife: Array) -> float | None:
    """Skewness of the jackknife [E] over 6 (eq. 14.15), or None where it has no finite spread."""
    if not np.isfinite(jackknife).all():
        return None
    deviations = jackknife.mean() - jackknife
    deviations /= np.abs(deviations).max()  # keeps the powers in range; the ratio has no unit
    return float((deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5))


def _quantile(ordered: Array, share: float) -> float:
    """Linear quantile of sorted [R]; np.quantile warns where two neighbours are infinite."""
    below, weight = divmod(share * (ordered.size - 1), 1)
    low, high = (float(ordered[min(int(below) + step, ordered.size - 1)]) for step in (0, 1))
    return low if weight == 0 else low * (1 - weight) + high * weight
