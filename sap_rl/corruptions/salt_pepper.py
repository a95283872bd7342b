"""Pixels of the sensor that fail: white or black."""

from __future__ import annotations

import math

import numpy as np

from sap_rl.corruptions.entry import Corruption, Moment, Picture, Severity

SURE = 7.0
"""Standard deviations by which the count may exceed what is expected: once in 10^11 frames."""


def salt_pepper(picture: Picture, share: float, moment: Moment) -> Picture:
    """That share of the pixels of every frame is white or black, drawn anew each time."""
    draws = moment.rng.random(picture.shape[:2], dtype=np.float32)
    spoilt = picture.copy()
    spoilt[draws < share / 2] = 0
    spoilt[(draws >= share / 2) & (draws < share)] = 255
    return spoilt


def referee(before: Picture, after: Picture, share: float, moment: Moment) -> bool:
    """Pixels that change are white or black, and as many as the share allows for chance."""
    changed = (before != after).reshape(*before.shape[:2], -1).any(2)
    extreme = np.isin(after[changed], (0, 255)).all()
    expected = share * changed.size
    most = expected + SURE * math.sqrt(expected * (1 - share)) + SURE
    return bool(extreme) and int(changed.sum()) <= most


SALT_PEPPER = Corruption(
    salt_pepper,
    referee,
    Severity("of the pixels that fail", "share", 1, (0.001, 0.003, 0.01, 0.03, 0.1)),
    "frame",
    random=True,
)
