"""Which budgets there are: what a threat and settings refuse alike; loads no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

from sap_rl.atari.protocol import Frames, Observation
from sap_rl.errors import UsageError, unknown
from sap_rl.pixels import PIXEL_MAX


def check_budgets(lams: Sequence[float], frames: str = "all", observation: str = "float") -> None:
    """UsageError for no lam, for one given twice, and as `check_budget` has it for each."""
    if not lams:
        raise UsageError("at least one lambda is needed, got none")
    for lam in lams:
        check_budget(lam, frames, observation)
    if len(set(lams)) < len(lams):
        raise UsageError(f"a lambda is given twice: {', '.join(f'{v:g}' for v in lams)}")


def check_budget(lam: float, frames: str = "all", observation: str = "float") -> None:
    """UsageError for a lam (pixels 0..255) that is negative, not finite or above 255, or between 0
    and 1 with uint8 observations, where it could change nothing."""
    if not (math.isfinite(lam) and lam >= 0):
        raise UsageError(f"lambda must be a number of at least 0 pixel units, got {lam}")
    if lam > PIXEL_MAX:
        raise UsageError(f"lambda is in pixel units, at most 255, got {lam:g}")
    if frames not in get_args(Frames):
        raise unknown("frames", frames, get_args(Frames))
    if observation not in get_args(Observation):
        raise unknown("observation", observation, get_args(Observation))
    if observation == "uint8" and 0 < lam < 1:
        raise UsageError(
            f"lambda {lam:g} changes no uint8 pixel; use at least 1, or "
            'observation="float" (--observation float)'
        )
