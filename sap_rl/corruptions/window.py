"""What a referee asks of pictures in which things moved: every value was near by before."""

from __future__ import annotations

import math

import numpy as np

from sap_rl.corruptions.entry import Picture


def within(after: Picture, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether every value lies between two bounds, both included."""
    return bool(((low <= after) & (after <= high)).all())


def values_from_near(before: Picture, after: Picture, reach: float) -> bool:
    """Whether every value lies between the least and the greatest within `reach` pixels of its
    place before, in both directions, where it is black beyond the border."""
    steps = min(math.ceil(reach), max(before.shape[:2]))
    low, high = (
        _spread(_spread(before, steps, pick).swapaxes(0, 1), steps, pick).swapaxes(0, 1)
        for pick in (np.minimum, np.maximum)
    )
    return within(after, low, high)


def _spread(values: np.ndarray, steps: int, pick: np.ufunc) -> np.ndarray:
    """The least or greatest within so many steps along the first axis, 0 beyond its ends: windows
    that double until two of them cover all of it."""
    length, size = len(values), 2 * steps + 1
    found = np.pad(values, [(steps, steps)] + [(0, 0)] * (values.ndim - 1))
    width = 1
    while 2 * width <= size:
        found = pick(found[:-width], found[width:])
        width *= 2
    return np.asarray(pick(found[:length], found[size - width :][:length]))
