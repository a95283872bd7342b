"""Pictures seen from another angle or distance, resampled between the four nearest pixels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sap_rl.corruptions.entry import Picture

Matrix = tuple[float, float, float, float]
"""Where a pixel of the new picture comes from, relative to the centre: (down, across) in the old
one is (a * down + b * across, c * down + d * across)."""


def warped(picture: Picture, matrix: Matrix) -> Picture:
    """The picture moved about its centre; black where it leaves the old one."""
    height, width = picture.shape[:2]
    index, weight = _taps(height, width, matrix)
    old = picture.reshape(height * width, -1).astype(np.float32)
    total = np.zeros_like(old)
    for at, share in zip(index, weight, strict=True):
        total += old[at] * share[:, None]
    rounded: Picture = np.rint(total).astype(np.uint8).reshape(picture.shape)
    return rounded


@lru_cache(maxsize=8)
def _taps(height: int, width: int, matrix: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """For every new pixel four old ones, int64 [4, H * W], and their weights, float32."""
    middle = (height - 1) / 2, (width - 1) / 2
    down, across = np.mgrid[:height, :width].astype(np.float64)
    down, across = down - middle[0], across - middle[1]
    a, b, c, d = matrix
    row, column = a * down + b * across + middle[0], c * down + d * across + middle[1]
    # Rounded, so that a place which is a whole number but for the last bit is one.
    row, column = np.round(row, 9).ravel(), np.round(column, 9).ravel()
    top, left = np.floor(row), np.floor(column)
    indices, weights = [], []
    for step_down, step_across in ((0, 0), (0, 1), (1, 0), (1, 1)):
        y, x = top + step_down, left + step_across
        share = (1 - abs(row - y)) * (1 - abs(column - x))
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        indices.append((y.clip(0, height - 1) * width + x.clip(0, width - 1)).astype(np.int64))
        weights.append(np.where(inside, share, 0).astype(np.float32))
    return np.stack(indices), np.stack(weights)
