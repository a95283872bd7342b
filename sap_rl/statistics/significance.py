"""Whether two samples of returns differ beyond noise, one pair of arms or many at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from sap_rl.statistics.intervals import Interval, Moments, Returns, welch_interval


@dataclass(frozen=True)
class Difference:
    """A difference of mean returns b - a with its interval, and the probability of one as large
    where there is none; flags as in `Interval`."""

    interval: Interval
    p: float


def paired_difference(a: Returns, b: Returns, *, level: float = 0.95) -> Difference:
    """Student's t test of mean(b - a), episode i of `a` beside episode i of `b`; two-sided.

    a, b: [E], E >= 2. Differences that are all equal have no t: flag `no_variance`, and p is that
    of the sign test, 2^(1 - E) (1 where they are 0). ValueError for unequal or too few episodes.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"paired arms need equal episodes, got {first.shape} and {second.shape}")
    difference = second - first
    found = _moments(difference)
    # A constant of no variance as the other sample leaves the one-sample interval.
    interval = welch_interval(found, Moments(0.0, 0.0, 2), level=level)
    if found.sd == 0.0:
        return Difference(interval, 1.0 if found.mean == 0.0 else 2.0 ** (1 - found.count))
    t = abs(found.mean) / (found.sd / math.sqrt(found.count))
    return Difference(interval, 2.0 * float(stdtr(found.count - 1, -t)))


def independent_difference(a: Returns, b: Returns, *, level: float = 0.95) -> Difference:
    """Welch's t test of mean(b) - mean(a), two samples of other episodes; two-sided.

    a, b: [E], [F], 2 episodes at least. Where neither sample varies: flag `no_variance`, and p is
    that of the permutation test (1 where the samples are equal).
    """
    first = _moments(np.asarray(a, dtype=np.float64))
    second = _moments(np.asarray(b, dtype=np.float64))
    interval = welch_interval(second, first, level=level)
    shares = first.sd**2 / first.count, second.sd**2 / second.count
    if sum(shares) == 0.0:
        rare = 2.0 / math.comb(first.count + second.count, first.count)
        return Difference(interval, 1.0 if first.mean == second.mean else min(1.0, rare))
    freedom = sum(shares) ** 2 / (
        shares[0] ** 2 / (first.count - 1) + shares[1] ** 2 / (second.count - 1)
    )
    t = abs(interval.mean) / math.sqrt(sum(shares))
    return Difference(interval, 2.0 * float(stdtr(freedom, -t)))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """p values adjusted for being one family: below alpha, the chance of any false alarm in it is.

    No assumption about how they hang together. Source: Holm, Scand. J. Statist. 6 (1979).
    ValueError for values outside 0..1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise ValueError(f"p values lie in 0..1, got {list(p_values)}")
    order = np.argsort(values, kind="stable")
    remaining = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * remaining))
    return tuple(float(value) for value in adjusted)


def _moments(values: np.ndarray) -> Moments:
    if values.ndim != 1 or values.size < 2:
        raise ValueError(f"a sample needs 2 episodes at least, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("returns must be finite")
    spread = float(values.std(ddof=1)) if np.ptp(values) else 0.0
    return Moments(float(values.mean()), spread, values.size)
