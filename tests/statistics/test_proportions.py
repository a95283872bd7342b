"""Wilson's interval, against scipy's."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from sap_rl.statistics.proportions import wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials"), [(0, 10), (1, 10), (500, 1000), (898, 1000), (7, 7)]
)
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_equals_scipys(successes: int, trials: int, level: float) -> None:
    expected = binomtest(successes, trials).proportion_ci(level, method="wilson")
    found = wilson_interval(successes, trials, level=level)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_no_share_is_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        wilson_interval(successes, trials)
