"""A camera that compresses its pictures; needs Pillow."""

from __future__ import annotations

import io

import numpy as np

from sap_rl.corruptions.entry import Corruption, Moment, Picture, Severity

BLOCK = 8
"""Side of the blocks in which JPEG compresses."""
ROOM = 64.0
"""By how much a block's mean may move: at quality 5 half of the steps of brightness and colour, 10
and 16 times 1.8, and what is lost where values are cut off at 0 and 255."""


def jpeg(picture: Picture, quality: float, moment: Moment) -> Picture:
    """Every frame is compressed as JPEG of that quality, and read again."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=int(quality), subsampling=0)
    return np.array(Image.open(file))


def referee(before: Picture, after: Picture, quality: float, moment: Moment) -> bool:
    """The mean of each block of 8x8 pixels moves by 64 at most."""
    moved = after.astype(np.float32) - before
    rows, columns = (np.arange(0, length, BLOCK) for length in before.shape[:2])
    summed = np.add.reduceat(np.add.reduceat(moved, rows, 0), columns, 1)
    counts = np.minimum(BLOCK, before.shape[0] - rows)[:, None] * np.minimum(
        BLOCK, before.shape[1] - columns
    )
    means = summed.reshape(*counts.shape, -1) / counts[..., None]
    return bool(abs(means).max() <= ROOM)


JPEG = Corruption(
    jpeg,
    referee,
    Severity(
        "of the compression, less is worse", "quality", 95, (90, 75, 50, 25, 10, 5),
        least=5, whole=True, falling=True, form="{unit} {number}",
    ),
    "frame",
    package="pillow",
)  # fmt: skip
