"""Noise of the sensor."""

from __future__ import annotations

import numpy as np

from sap_rl.corruptions.entry import Corruption, Moment, Picture, Severity
from sap_rl.corruptions.window import within

REACH = 4.0
"""Standard deviations at which draws are cut off."""


def gaussian(picture: Picture, sigma: float, moment: Moment) -> Picture:
    """Gaussian noise, drawn anew for every pixel of every frame."""
    draws = moment.rng.standard_normal(picture.shape, dtype=np.float32)
    noisy: np.ndarray = picture + np.float32(sigma) * draws.clip(-REACH, REACH)
    rounded: Picture = np.rint(noisy).clip(0, 255).astype(np.uint8)
    return rounded


def referee(before: Picture, after: Picture, sigma: float, moment: Moment) -> bool:
    """No pixel moves by more than four standard deviations."""
    most = REACH * sigma + 0.5
    return within(after, before - most, before + most)


GAUSSIAN = Corruption(
    gaussian,
    referee,
    Severity("standard deviation of the noise", "pixel values", 128, (1, 2, 4, 8, 16, 32)),
    "frame",
    random=True,
)
