"""Tests of differences against scipy, exact cases, and the chance of a false alarm."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sap_rl.statistics.significance import holm, independent_difference, paired_difference

A = np.array([1.0, 4.0, 2.0, 9.0, 3.0, 3.0])
B = np.array([2.0, 3.0, 6.0, 12.0, 8.0, 4.0])


def test_paired_is_scipys() -> None:
    found, expected = paired_difference(A, B, level=0.9), stats.ttest_rel(B, A)
    bounds = expected.confidence_interval(0.9)
    assert found.interval.mean == pytest.approx(13 / 6)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12)
    assert (found.interval.low, found.interval.high) == pytest.approx((bounds.low, bounds.high))


def test_independent_is_scipys() -> None:
    found = independent_difference(A, B[:4], level=0.9)
    expected = stats.ttest_ind(B[:4], A, equal_var=False)
    bounds = expected.confidence_interval(0.9)
    assert found.interval.mean == pytest.approx(5.75 - 22 / 6)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12)
    assert (found.interval.low, found.interval.high) == pytest.approx((bounds.low, bounds.high))


def test_without_variance() -> None:
    assert paired_difference([1, 2, 3], [1, 2, 3]).p == 1.0
    shifted = paired_difference([1, 2, 3], [3, 4, 5])
    assert shifted.p == 0.25  # all three signs alike: 2 of 8
    assert (shifted.interval.low, shifted.interval.high) == (2.0, 2.0)
    assert shifted.interval.flags == ("no_variance",)
    assert independent_difference([1, 1], [1, 1, 1]).p == 1.0
    assert independent_difference([1, 1, 1], [2, 2, 2]).p == 0.1  # 2 of 20 ways to part six


def test_one_constant_sample_still_has_a_test() -> None:
    expected = stats.ttest_1samp(A, 7.0)
    assert independent_difference(A, [7.0] * 5).p == pytest.approx(expected.pvalue, rel=1e-12)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="equal episodes"):
        paired_difference([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="2 episodes at least"):
        paired_difference([1], [2])
    with pytest.raises(ValueError, match="finite"):
        independent_difference([1, math.inf], [2, 3])
    with pytest.raises(ValueError, match=r"lie in 0\.\.1"):
        holm([0.5, 1.5])


def test_holm_by_hand() -> None:
    """Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04; never falling."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx((0.06, 0.04, 0.06, 0.06))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([0.02]) == (0.02,)
    assert holm([]) == ()


def test_holm_is_the_naive_step_down() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = list(rng.random(7) ** 3)
        adjusted = holm(values)
        for alpha in (0.01, 0.05, 0.3):
            rejected = set()
            for rank, index in enumerate(sorted(range(7), key=lambda i: values[i])):
                if values[index] * (7 - rank) > alpha:
                    break
                rejected.add(index)
            assert {i for i in range(7) if adjusted[i] <= alpha} == rejected


@pytest.mark.parametrize("episodes", [6, 30])
def test_false_alarms_in_a_family_of_skewed_cells(episodes: int) -> None:
    """Nine cells without a difference, lognormal returns: at most 5% of the families alarm.

    200 families: 8.5% would be 2.3 standard errors over the claim.
    """
    rng = np.random.default_rng(3)
    alarms = {"paired": 0, "independent": 0}
    for _ in range(200):
        a, b = rng.lognormal(0, 1, (2, 9, episodes))
        alarms["paired"] += (
            min(holm([paired_difference(*p).p for p in zip(a, b, strict=True)])) < 0.05
        )
        p_values = [independent_difference(*p).p for p in zip(a, b, strict=True)]
        alarms["independent"] += min(holm(p_values)) < 0.05
    assert alarms["paired"] / 200 < 0.085
    assert alarms["independent"] / 200 < 0.085
