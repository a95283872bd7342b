"""Pixels 0..255 and unit floats 0..1: the only place that converts between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # budgets are checked where nothing is computed
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
