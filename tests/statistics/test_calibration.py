"""Calibration by hand, and against a loop over bins as the definition has it."""

from __future__ import annotations

import numpy as np
import pytest

from sap_rl.statistics.calibration import calibration


def test_four_predictions_by_hand() -> None:
    shares = np.array([[0.9, 0.1], [0.85, 0.15], [0.4, 0.6], [1.0, 0.0]])
    labels = np.array([0, 1, 1, 0])
    found = calibration(shares, labels, bins=5)
    # Bins of 0.2: 0.6 alone in (0.4, 0.6], right; 0.9, 0.85, 1.0 in (0.8, 1], two of three right.
    assert found.ece == pytest.approx((abs(0.6 - 1) + abs(2.75 - 2)) / 4)
    # Equal masses: {0.6, 0.85}, {0.9}, {1.0} and two empty ones; of five each prediction alone.
    assert found.equal_mass == pytest.approx((0.4 + 0.85 + 0.1 + 0) / 4)
    assert found.brier == pytest.approx((0.02 + 2 * 0.85**2 + 2 * 0.4**2 + 0) / 4)
    assert found.nll == pytest.approx(-np.log([0.9, 0.15, 0.6, 1.0]).mean())
    assert [(each.count, each.accuracy) for each in found.bins] == [(1, 1.0), (3, 2 / 3)]
    assert found.bins[1].confidence == pytest.approx(2.75 / 3)
    assert found.bins[1].low < 2 / 3 < found.bins[1].high < 1


def test_equals_the_definition() -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet([0.3] * 4, size=400)
    labels = rng.integers(0, 4, 400)
    confidence, right = shares.max(1), shares.argmax(1) == labels
    expected = 0.0
    for number in range(15):
        rows = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        if rows.any():
            expected += rows.mean() * abs(right[rows].mean() - confidence[rows].mean())
    found = calibration(shares, labels)
    assert found.ece == pytest.approx(expected)
    assert sum(each.count for each in found.bins) == 400


def test_certainty_is_in_the_last_bin_and_costs_a_finite_amount() -> None:
    shares = np.array([[1.0, 0.0], [1.0, 0.0]], dtype=np.float32)
    found = calibration(shares, np.array([0, 1]))
    assert (found.ece, found.brier, len(found.bins)) == (0.5, 1.0, 1)
    assert found.nll == pytest.approx(-np.log(1e-12) / 2)


def test_a_calibrated_classifier_has_no_error() -> None:
    shares = np.array([[0.75, 0.25]] * 4)
    assert calibration(shares, np.array([0, 0, 0, 1])).ece == pytest.approx(0)


def test_other_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit 3 labels"):
        calibration(np.ones((2, 2)), np.array([0, 1, 1]))
