"""Dirt on the lens."""

from __future__ import annotations

import numpy as np

from sap_rl.corruptions.entry import Corruption, Moment, Picture, Severity


def occlude(picture: Picture, side: float, moment: Moment) -> Picture:
    """A black square hides a part of every frame, the same one for a whole episode."""
    length = int(side)
    top, left = (
        int(place * (size - length + 1))
        for place, size in zip(moment.place, picture.shape[:2], strict=True)
    )
    hidden = picture.copy()
    hidden[top : top + length, left : left + length] = 0
    return hidden


def referee(before: Picture, after: Picture, side: float, moment: Moment) -> bool:
    """What changes is black and lies within one square of that side."""
    changed = (before != after).reshape(*before.shape[:2], -1).any(2)
    spans = [np.flatnonzero(changed.any(axis)) for axis in (0, 1)]
    small = all(not len(span) or span[-1] - span[0] < side for span in spans)
    return small and not after[changed].any()


OCCLUDE = Corruption(
    occlude,
    referee,
    Severity("side of the square", "pixels", 256, (4, 8, 16, 32, 64), whole=True),
    "frame",
    random=True,
)
