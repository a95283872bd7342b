"""Turns the emulator's screen into what a network sees, where the emulator does not do it.

Networks are trained on OpenCV's pixels, so resizing rounds as OpenCV does: float32 products, added
in its order. No OpenCV is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sap_rl.atari.preprocess import Preprocess
from sap_rl.errors import UsageError
from sap_rl.types import Screens

LUMINANCE = (9798, 19235, 3735)
"""Red, green and blue in 2^-15: ITU-R BT.601 as OpenCV and the emulator round it."""


@dataclass(frozen=True)
class Taps:
    """How one axis is resized: new pixel i is the sum over t of weight[t, i] * old[index[t, i]].

    index int64 [T, new], weight float32 [T, new]; a weight of 0 where fewer pixels take part, or
    where the crop leaves the screen, which is black there.
    """

    index: np.ndarray
    weight: np.ndarray

    def over(self, values: np.ndarray, axis: int) -> np.ndarray:
        """Float32 values resized along an axis, tap by tap."""
        shape = [1] * values.ndim
        shape[axis] = -1
        total: np.ndarray | None = None
        for index, weight in zip(self.index, self.weight, strict=True):
            part = np.take(values, index, axis) * weight.reshape(shape)
            total = part if total is None else np.add(total, part, out=total)
        assert total is not None
        return total


def area_taps(old: int, new: int) -> Taps:
    """Weights of each old pixel by how much of it a new one covers, old >= new."""
    scale = old / new
    lists: list[list[tuple[int, float]]] = []
    for i in range(new):
        start, end = i * scale, min((i + 1) * scale, old)
        first, last = int(np.ceil(start - 1e-9)), int(np.floor(end + 1e-9))
        width = end - start
        taps = [(first - 1, (first - start) / width)] if first - start > 1e-3 else []
        taps += [(pixel, 1.0 / width) for pixel in range(first, last)]
        taps += [(last, (end - last) / width)] if end - last > 1e-3 else []
        lists.append(taps)
    most = max(map(len, lists))
    padded = [taps + [(0, 0.0)] * (most - len(taps)) for taps in lists]
    index = np.array([[pixel for pixel, _ in taps] for taps in padded]).T
    weight = np.array([[share for _, share in taps] for taps in padded], np.float32).T
    return Taps(index, weight)


def linear_taps(old: int, new: int) -> Taps:
    """Weights of the two pixels whose centres are nearest."""
    centres = ((np.arange(new) + 0.5) * (old / new) - 0.5).clip(0, old - 1)
    lower = np.floor(centres).astype(np.int64)
    share = (centres - lower).astype(np.float32)
    return Taps(np.stack([lower, (lower + 1).clip(max=old - 1)]), np.stack([1 - share, share]))


class Lens:
    """Screens uint8 [N, H, W] (grey) or [N, H, W, 3] (red, green, blue) -> frames uint8 [N, h, w],
    or [N, 3, h, w] where colour stays.

    screen: height and width of the emulator's. With `area` pixel for pixel what OpenCV's INTER_AREA
    makes of the cropped screen; `linear` is within one level of INTER_LINEAR. Raises UsageError for
    a crop that shows nothing, and for `area` where it would enlarge.
    """

    def __init__(self, preprocess: Preprocess, screen: tuple[int, int]) -> None:
        self.preprocess = preprocess
        top, left, height, width = preprocess.crop or (0, 0, *screen)
        small = (preprocess.height, preprocess.width)
        if preprocess.interpolation == "area" and (height < small[0] or width < small[1]):
            raise UsageError(
                f"interpolation=area only shrinks: a screen of {height}x{width} does not become "
                f"{small[0]}x{small[1]}"
            )
        taps = area_taps if preprocess.interpolation == "area" else linear_taps
        self.rows = _on_screen(taps(height, small[0]), top, screen[0])
        self.columns = _on_screen(taps(width, small[1]), left, screen[1])
        if not (self.rows.weight.any() and self.columns.weight.any()):
            raise UsageError(
                f"crop {list(preprocess.crop)} shows nothing of a screen of {screen[0]}x{screen[1]}"
            )
        # OpenCV rounds halves up where it averages blocks of 2x2 pixels, and to even elsewhere.
        self.halves_up = (height, width) == (2 * small[0], 2 * small[1])
        self.block = _block((height, width), small) if taps is area_taps else 1

    def __call__(self, screens: Screens) -> np.ndarray:
        """Frames of a batch of screens."""
        if screens.ndim == 3:
            return self._resized(screens)
        if self.preprocess.grey in ("resized", "none"):
            planes = self._resized(np.ascontiguousarray(np.moveaxis(screens, 3, 1)))
            return (
                planes if self.preprocess.grey == "none" else self._grey(np.moveaxis(planes, 1, 3))
            )
        if self.preprocess.luma == "luminance":
            return self._resized(self._grey(screens))
        # The mean of the colours is rounded once, after resizing.
        mean: np.ndarray = screens.astype(np.float32).mean(3)
        return self._resized(mean)

    def _grey(self, pixels: np.ndarray) -> np.ndarray:
        """Colours [N, h, w, 3] as grey uint8 [N, h, w]."""
        if self.preprocess.luma == "mean":
            mean: np.ndarray = np.rint(pixels.astype(np.float32).mean(3)).astype(np.uint8)
            return mean
        # Whole numbers below 2^24: exact in float32, and a product is faster than three planes.
        weighted = pixels.astype(np.float32) @ np.array(LUMINANCE, np.float32)
        grey: np.ndarray = ((weighted + 2.0**14) * 2.0**-15).astype(np.uint8)
        return grey

    def _resized(self, pixels: np.ndarray) -> np.ndarray:
        """Pictures [..., H, W] resized to uint8 [..., h, w]."""
        values = self.rows.over(self.columns.over(pixels.astype(np.float32), -1), -2)
        if self.block > 1:  # whole blocks of pixels: OpenCV divides their sum once
            values = np.rint(values * self.block) * np.float32(1 / self.block)
        rounded = np.floor(values + 0.5) if self.halves_up else np.rint(values)
        return rounded.clip(0, 255).astype(np.uint8)


def _block(old: tuple[int, int], new: tuple[int, int]) -> int:
    """Pixels per new pixel where the new grid lies on the old one, else 1."""
    whole = old[0] % new[0] == 0 and old[1] % new[1] == 0
    return (old[0] // new[0]) * (old[1] // new[1]) if whole else 1


def _on_screen(taps: Taps, start: int, length: int) -> Taps:
    """Taps of a window that begins at `start` of the screen; black where it leaves the screen."""
    index = taps.index + start
    inside = (index >= 0) & (index < length)
    weight = np.where(inside, taps.weight, 0).astype(np.float32)
    return Taps(index.clip(0, length - 1), weight)
