"""The camera stands too near."""

from __future__ import annotations

from sap_rl.corruptions.entry import Corruption, Moment, Picture, Severity
from sap_rl.corruptions.warp import warped
from sap_rl.corruptions.window import values_from_near


def scale(picture: Picture, percent: float, moment: Moment) -> Picture:
    """The screen is enlarged about its centre; what leaves it is lost."""
    back = 1 / (1 + percent / 100)
    return warped(picture, (back, 0.0, 0.0, back))


def referee(before: Picture, after: Picture, percent: float, moment: Moment) -> bool:
    """Each value lies among those as near as the enlargement moves a border, plus one."""
    moved = max(before.shape[:2]) / 2 * (1 - 1 / (1 + percent / 100))
    return values_from_near(before, after, moved + 1)


SCALE = Corruption(
    scale,
    referee,
    Severity("larger", "percent", 300, (1, 2, 5, 10, 20)),
    "screen",
)
