"""Fog: everything comes nearer to grey."""

from __future__ import annotations

import numpy as np

from sap_rl.corruptions.entry import Corruption, Moment, Picture, Severity
from sap_rl.corruptions.window import within

GREY = 128
"""What all pixels become where no contrast is left."""


def contrast(picture: Picture, percent: float, moment: Moment) -> Picture:
    """Every pixel of the screen comes nearer to 128 by that share of the way."""
    every = np.arange(256)
    table: np.ndarray = np.rint(every + (GREY - every) * (percent / 100)).astype(np.uint8)
    foggy: Picture = table[picture]
    return foggy


def referee(before: Picture, after: Picture, percent: float, moment: Moment) -> bool:
    """No pixel moves away from 128 or beyond it, and none by more than the share, 128 at most."""
    most = GREY * percent / 100 + 0.5
    near = within(after, np.minimum(before, GREY), np.maximum(before, GREY))
    return near and within(after, before - most, before + most)


CONTRAST = Corruption(
    contrast,
    referee,
    Severity("of the contrast lost", "percent", 100, (2, 5, 10, 20, 40, 80)),
    "screen",
)
