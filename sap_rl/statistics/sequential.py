"""When an arm has been played for long enough: intervals that stay valid under repeated looks.

A rule looks at the returns after fixed numbers of episodes and spends a share of the error
probability at each look, so that the intervals of all looks together hold with the stated level,
whichever of them ends the play. Measured coverage: docs/statistics.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from sap_rl.errors import UsageError, require_at_least
from sap_rl.statistics import LEVEL
from sap_rl.statistics.intervals import Interval, Returns

Unit = Literal["percent", "points"]

GROWTH = 1.5
"""Episodes of a look over those of the one before: at most half as much again is played in vain."""


@dataclass(frozen=True)
class StoppingRule:
    """Play until an arm's interval is narrow, at most `most` episodes.

    width: how far either bound may lie from the mean, in percent of a return (the arm's own mean
    unless `look` is told another) or in points;
    least: episodes of the first look; level: of the intervals of all looks together. Raises
    UsageError for values that make no rule.
    """

    width: float
    unit: Unit = "percent"
    least: int = 30
    most: int = 1000
    level: float = LEVEL

    def __post_init__(self) -> None:
        if not 0.0 < self.width < math.inf:
            raise UsageError(f"the interval's width must be above 0, got {self.width:g}")
        require_at_least("least", self.least, 2)
        require_at_least("most", self.most, self.least)
        if not 0.0 < self.level < 1.0:
            raise UsageError(f"level must lie between 0 and 1, got {self.level:g}")

    @property
    def looks(self) -> tuple[int, ...]:
        """After how many episodes the returns are looked at, ascending; the last is `most`."""
        found = [self.least]
        while found[-1] * GROWTH < self.most:
            found.append(math.ceil(found[-1] * GROWTH))
        return (*found, self.most) if found[-1] < self.most else tuple(found)

    def level_at(self, episodes: int) -> float:
        """The level of an interval taken at that look alone.

        1 minus the error spent there, which grows with the episodes since the look before (the
        linear use function of Lan & DeMets, Biometrika 70, 1983; the looks' errors are added up, so
        that nothing is assumed about how they hang together). Any interval taken at this level at
        every look is valid under the rule, a paired difference's too. ValueError where the rule
        does not look.
        """
        looks = self.looks
        if episodes not in looks:
            raise ValueError(f"the rule looks after {looks} episodes, not after {episodes}")
        before = (0, *looks)[looks.index(episodes)]
        return 1.0 - (1.0 - self.level) * (episodes - before) / self.most

    @property
    def text(self) -> str:
        """The rule's width as it is spelled: 10% or 25."""
        return f"{self.width:g}" + ("%" if self.unit == "percent" else "")


@dataclass(frozen=True)
class Look:
    """What a rule says of an arm after some episodes.

    interval: valid at whichever look the play ends; narrow: within the rule's width; next: episodes
    of the next look, None where the arm has been played for long enough or for the most.
    """

    episodes: int
    interval: Interval
    narrow: bool
    next: int | None


def parse_stopping_rule(text: str, *, least: int = 30, most: int = 1000) -> StoppingRule:
    """`10%` is within 10% of the mean return, `25` within 25 points; UsageError for others."""
    bare = text.strip()
    unit: Unit = "percent" if bare.endswith("%") else "points"
    try:
        width = float(bare.removesuffix("%"))
    except ValueError:
        raise UsageError(f"until-ci must be like 10% or 25 (points), got '{text}'") from None
    return StoppingRule(width, unit, least, most)


def look(returns: Returns, rule: StoppingRule, *, scale: float | None = None) -> Look:
    """Judge an arm's returns [E], by episode index from 0, at one of the rule's looks.

    scale: the return of which the rule's percents are, such as the clean original's for arms at the
    floor, of whose own mean no share is ever reached; None for the arm's own mean.

    An arm whose returns are all equal has no interval and is played on: nothing says how rare the
    others are. ValueError for a number of episodes at which the rule does not look.
    """
    values = np.asarray(returns, dtype=np.float64)
    level = rule.level_at(len(values))
    interval = skewed_interval(values, level=level)
    narrow = _narrow(interval, rule, interval.mean if scale is None else scale)
    later = [episodes for episodes in rule.looks if episodes > len(values)]
    return Look(len(values), interval, narrow, None if narrow or not later else later[0])


def skewed_interval(returns: Returns, *, level: float) -> Interval:
    """Interval of the mean by Student's t after a cubic transformation that removes the skewness.

    returns: [E]. Flags `too_few_episodes` (E = 1) and `no_variance`. No randomness: fit for many
    looks. ValueError for no or non-finite returns. Source: Hall, J. R. Statist. Soc. B 54 (1992),
    pages 221 to 228, the transformation g2 and its inverse.
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"returns must be finite numbers [E], got {values.size} of {values.shape}")
    mean = float(values.mean())
    if values.size < 2:
        return Interval(mean, None, None, ("too_few_episodes",))
    if np.ptp(values) == 0.0:
        return Interval(mean, None, None, ("no_variance",))
    centred = values - mean
    skewness = float((centred**3).mean() / (centred**2).mean() ** 1.5)
    quantile = float(stdtrit(values.size - 1, 0.5 + level / 2))
    error = float(values.std(ddof=1)) / math.sqrt(values.size)
    low, high = (
        mean - error * _untransformed(t, skewness, values.size) for t in (quantile, -quantile)
    )
    return Interval(mean, low, high)


def _untransformed(t: float, skewness: float, count: int) -> float:
    """The t statistic whose skewness-free transform is `t`; odd in (t, skewness)."""
    step = skewness / math.sqrt(count)
    if abs(step) < 1e-8:  # below, the cube root loses more digits than the skewness moves
        return t
    return 3.0 / step * (float(np.cbrt(1.0 + step * (t - step / 6.0))) - 1.0)


def _narrow(interval: Interval, rule: StoppingRule, whole: float) -> bool:
    if interval.low is None or interval.high is None:
        return False
    reach = max(interval.mean - interval.low, interval.high - interval.mean)
    scale = abs(whole) / 100.0 if rule.unit == "percent" else 1.0
    return reach <= rule.width * scale
