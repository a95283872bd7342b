"""A camera that is late."""

from __future__ import annotations

import numpy as np

from sap_rl.corruptions.entry import LONGEST, Corruption, Moment, Picture, Severity


def delay(picture: Picture, steps: float, moment: Moment) -> Picture:
    """Each frame comes so many of the agent's steps late; the first is shown until then."""
    pictures = [*moment.clean, picture]
    return pictures[max(0, len(pictures) - 1 - int(steps))]


def referee(before: Picture, after: Picture, steps: float, moment: Moment) -> bool:
    """It is a picture of this episode, no older than the severity."""
    recent = [*moment.clean, before][-1 - int(steps) :]
    return any(np.array_equal(after, other) for other in recent)


DELAY = Corruption(
    delay,
    referee,
    Severity("late", "steps", LONGEST, (1, 2, 4, 8), whole=True),
    "frame",
)
