"""The camera points a little too high: the screen stands lower."""

from __future__ import annotations

import numpy as np

from sap_rl.corruptions.entry import Corruption, Moment, Picture, Severity


def shift(picture: Picture, pixels: float, moment: Moment) -> Picture:
    """Everything stands so many pixels of the screen lower, black above."""
    down = int(pixels)
    lower = np.zeros_like(picture)
    lower[down:] = picture[: len(picture) - down]
    return lower


def referee(before: Picture, after: Picture, pixels: float, moment: Moment) -> bool:
    """Each row is the one that stood exactly so many pixels higher, the first ones black."""
    down = int(pixels)
    return np.array_equal(after[down:], before[:-down]) and not after[:down].any()


SHIFT = Corruption(
    shift,
    referee,
    Severity("down the screen", "pixels", 100, (1, 2, 4, 8, 16), whole=True),
    "screen",
)
