"""The camera hangs askew."""

from __future__ import annotations

import math

from sap_rl.corruptions.entry import Corruption, Moment, Picture, Severity
from sap_rl.corruptions.warp import warped
from sap_rl.corruptions.window import values_from_near


def rotate(picture: Picture, degrees: float, moment: Moment) -> Picture:
    """The screen is turned counterclockwise about its centre, black in the corners."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return warped(picture, (cos, sin, -sin, cos))


def referee(before: Picture, after: Picture, degrees: float, moment: Moment) -> bool:
    """Each value lies among those as near as the turn moves a corner, 2 R sin(a / 2), plus one."""
    radius = math.hypot(*before.shape[:2]) / 2
    return values_from_near(before, after, 2 * radius * math.sin(math.radians(degrees) / 2) + 1)


ROTATE = Corruption(
    rotate,
    referee,
    Severity("of turn, counterclockwise", "degrees", 180, (0.25, 0.5, 1, 2, 5)),
    "screen",
)
