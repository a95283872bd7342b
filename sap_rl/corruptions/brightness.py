"""The lamp is too strong, or the exposure too long."""

from __future__ import annotations

import numpy as np

from sap_rl.corruptions.entry import Corruption, Moment, Picture, Severity
from sap_rl.corruptions.window import within


def brightness(picture: Picture, values: float, moment: Moment) -> Picture:
    """Every pixel of the screen is so much brighter, white at most."""
    room = np.uint8(255 - values)
    brighter: Picture = np.minimum(picture, room) + np.uint8(values)
    return brighter


def referee(before: Picture, after: Picture, values: float, moment: Moment) -> bool:
    """No pixel is darker, and none is brighter by more than the severity."""
    return within(after, before, before.astype(np.int16) + int(values))


BRIGHTNESS = Corruption(
    brightness,
    referee,
    Severity("added to every pixel", "pixel values", 255, (2, 5, 10, 20, 40, 80), whole=True),
    "screen",
)
