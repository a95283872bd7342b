"""Shares of successes, with an interval that holds for small counts too."""

from __future__ import annotations

import math
from statistics import NormalDist

from sap_rl.statistics import LEVEL


def wilson_interval(successes: int, trials: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Bounds of a share in 0..1; ValueError for no trials or more successes than trials.

    Source: Wilson 1927, Journal of the American Statistical Association 22.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} of {trials} is no share")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, weight = successes / trials, z * z / trials
    centre = (share + weight / 2) / (1 + weight)
    reach = z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    low = 0.0 if successes == 0 else centre - reach
    return low, 1.0 if successes == trials else centre + reach
