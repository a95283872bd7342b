"""How far a classifier's confidence is what it says: errors, scores and the reliability curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sap_rl.statistics.proportions import wilson_interval

BINS = 15
"""As in Guo et al. 2017."""
LEAST = 1e-12
"""A class's probability counts as at least so much in the log-likelihood: it stays finite."""


@dataclass(frozen=True)
class Bin:
    """Predictions of like confidence: how many, their mean confidence, and the share of them that
    were right with its 95% interval."""

    count: int
    confidence: float
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """ece: expected calibration error over bins of equal width, equal_mass: over bins of equally
    many predictions (Guo et al. 2017, arXiv 1706.04599, eq. 3); brier: mean squared distance from
    the class, 0..2 (Brier 1950); nll: mean negative log-likelihood of the class; bins: those of
    equal width that hold predictions, by confidence."""

    ece: float
    equal_mass: float
    brier: float
    nll: float
    bins: tuple[Bin, ...]


def calibration(
    probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.int64], *, bins: int = BINS
) -> Calibration:
    """Of predicted probabilities [N, C] and classes [N]. ValueError for none."""
    shares = np.asarray(probabilities, dtype=np.float64)
    if shares.ndim != 2 or len(shares) != len(labels) or not len(labels):
        raise ValueError(f"{shares.shape} probabilities do not fit {len(labels)} labels")
    confidence = shares.max(1)
    right = shares.argmax(1) == labels
    # A bin holds its upper end, so that a confidence of 1 is in the last.
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    widths = [np.flatnonzero(place == number) for number in range(bins)]
    masses = np.array_split(np.argsort(confidence, kind="stable"), bins)
    of_class = shares[np.arange(len(labels)), labels]
    brier = (shares**2).sum(1) - 2 * of_class + 1
    return Calibration(
        _error(widths, confidence, right),
        _error(masses, confidence, right),
        float(brier.mean()),
        float(-np.log(np.maximum(of_class, LEAST)).mean()),
        tuple(_bin(confidence[rows], right[rows]) for rows in widths if len(rows)),
    )


def _error(
    groups: list[npt.NDArray[np.int64]],
    confidence: npt.NDArray[np.float64],
    right: npt.NDArray[np.bool_],
) -> float:
    """The mean gap between confidence and accuracy of groups of predictions, by their sizes."""
    gaps = [abs(confidence[rows].sum() - right[rows].sum()) for rows in groups]
    return float(sum(gaps) / len(confidence))


def _bin(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> Bin:
    count, hits = len(right), int(right.sum())
    return Bin(count, float(confidence.mean()), hits / count, *wilson_interval(hits, count))
