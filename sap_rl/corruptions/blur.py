"""The camera is out of focus."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter1d

from sap_rl.corruptions.entry import Corruption, Moment, Picture, Severity
from sap_rl.corruptions.window import values_from_near

REACH = 3.0
"""Standard deviations at which the kernel ends."""


def blur(picture: Picture, sigma: float, moment: Moment) -> Picture:
    """Every frame is averaged with a Gaussian kernel; its border goes on as mirrored."""
    soft = picture.astype(np.float32)
    for axis in (0, 1):
        soft = gaussian_filter1d(soft, sigma, axis, truncate=REACH)
    rounded: Picture = np.rint(soft).clip(0, 255).astype(np.uint8)
    return rounded


def referee(before: Picture, after: Picture, sigma: float, moment: Moment) -> bool:
    """Each value lies among those within the kernel, three standard deviations away at most."""
    reach = max(1, math.ceil(REACH * sigma))
    mirrored = np.pad(before, [(reach, reach)] * 2 + [(0, 0)] * (before.ndim - 2), "symmetric")
    inner = (slice(reach, -reach),) * 2
    padded = mirrored.copy()
    padded[inner] = after
    return values_from_near(mirrored, padded, reach)


BLUR = Corruption(
    blur,
    referee,
    Severity("standard deviation of the kernel", "pixels", 10, (0.25, 0.5, 1, 2, 4)),
    "frame",
)
