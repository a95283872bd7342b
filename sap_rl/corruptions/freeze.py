"""A camera that drops pictures."""

from __future__ import annotations

import numpy as np

from sap_rl.corruptions.entry import Corruption, Moment, Picture, Severity


def freeze(picture: Picture, share: float, moment: Moment) -> Picture:
    """At that share of the steps, drawn each time, the frame shown before is shown once more."""
    drops = moment.rng.random() < share
    return moment.shown[-1] if drops and moment.shown else picture


def referee(before: Picture, after: Picture, share: float, moment: Moment) -> bool:
    """It is the picture itself or the one that was shown before."""
    return any(np.array_equal(after, other) for other in (before, *list(moment.shown)[-1:]))


FREEZE = Corruption(
    freeze,
    referee,
    Severity("of the steps", "share", 1, (0.1, 0.25, 0.5, 0.75, 0.9)),
    "frame",
    random=True,
)
