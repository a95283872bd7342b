"""Pixels 0..255 and unit floats 0..1: the only place that converts between them.

Which budgets there are is said here too, for settings and threats alike; it loads no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sap_rl.errors import UsageError, told_of

if TYPE_CHECKING:  # budgets are checked where nothing is computed
    import numpy as np
    from torch import Tensor

PIXEL_MAX = 255.0
"""The largest pixel value; lambda is measured on this scale."""


def to_unit(pixels: Tensor) -> Tensor:
    """Frames 0..255, uint8 or float, to float32 in 0..1; the shape stays."""
    return pixels.float() / PIXEL_MAX


def to_pixels(unit: Tensor) -> Tensor:
    """Values in unit scale, frames or differences of frames, to pixel scale."""
    return unit * PIXEL_MAX


def lam_to_eps(lam: float) -> float:
    """A budget in pixel units to unit scale."""
    return lam / PIXEL_MAX


def check_budgets(lams: Sequence[float], observation: str = "float", norm: str = "linf") -> None:
    """UsageError for no lam, for one given twice, and as `check_budget` has it for each."""
    if not lams:
        raise UsageError("at least one lambda is needed, got none")
    for lam in lams:
        check_budget(lam, observation, norm)
    if len(set(lams)) < len(lams):
        raise UsageError(f"a lambda is given twice: {', '.join(f'{v:g}' for v in lams)}")


def check_budget(lam: float, observation: str = "float", norm: str = "linf") -> None:
    """UsageError for a lam (pixels 0..255) that is negative, not finite or above 255, or between 0
    and 1 with uint8 observations, where it could change nothing; for l2 with uint8 observations."""
    if not (math.isfinite(lam) and lam >= 0):
        raise UsageError(f"lambda must be a number of at least 0 pixel units, got {lam}")
    if lam > PIXEL_MAX:
        raise UsageError(f"lambda is in pixel units, at most 255, got {lam:g}")
    if observation == "uint8" and norm == "l2":
        raise UsageError(
            "norm l2 moves most pixels by fractions, which uint8 frames would lose: use "
            'observation="float" (--observation float)'
        )
    if observation == "uint8" and 0 < lam < 1:
        raise UsageError(
            f"lambda {lam:g} changes no uint8 pixel; use at least 1, or "
            'observation="float" (--observation float)'
        )


def pixel_array(obs: Any) -> np.ndarray:
    """Frames as people hand them over, tensors of any kind too, as an array of this machine's.

    UsageError for what is no array, as all that an environment's `reset` gives.
    """
    import numpy as np

    if isinstance(obs, tuple):
        raise UsageError("frames are one array: of `obs, info = env.reset()` give obs alone")
    if hasattr(obs, "detach"):  # of a tensor, numpy knows no bfloat16 and no graph
        obs = obs.detach().cpu()
        obs = obs.float() if obs.is_floating_point() else obs
    try:
        found = np.asarray(obs)
    except ValueError as error:
        raise UsageError(f"frames are one array: {told_of(error)}") from error
    return found.astype(found.dtype.newbyteorder("="), copy=False)


def require_pixels(pixels: np.ndarray) -> None:
    """UsageError for what is no number in 0..255, and for floats that fill 0..1 and go no further:
    frames that were scaled already."""
    if pixels.dtype.kind not in "uif":
        raise UsageError(f"frames are an array of pixels 0..255, got one of {pixels.dtype}")
    if pixels.dtype == "uint8" or not pixels.size:
        return
    low, high = pixels.min(), pixels.max()
    scaled = pixels.dtype.kind == "f" and 0.1 < high <= 1.0
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UsageError(f"frames are pixels 0..255, got {low:g} among them")
    if scaled or not (low >= 0 and high <= PIXEL_MAX):
        raise UsageError(
            f"frames are pixels 0..255, got {pixels.dtype} in {low:g}..{high:g}: do not scale them"
        )
