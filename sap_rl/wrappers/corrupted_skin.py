"""What the wrappers of corruptions share: a camera that looks at stacks of frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from sap_rl.corruptions.camera import Camera
from sap_rl.corruptions.sighting import Sighting
from sap_rl.seeds import stream_seed
from sap_rl.wrappers.skin import pixel_box


class CorruptedSkin:
    """A camera that speaks of stacks: each new frame is spoilt once and stays so in the stack.

    space: the environment's observation space for one environment, a Box of grey pixels [K, H, W],
    uint8; other options as in `CorruptedObservation`.
    """

    title = "camera"

    def __init__(
        self, space: spaces.Space[Any], *, corruption: str, severity: float, seed: int
    ) -> None:
        self.space = pixel_box(space, "uint8")
        self.corruption, self.severity = corruption, severity
        self.reseed(seed)
        _, height, width = self.space.shape
        self.camera.require_fit((height, width))

    def reseed(self, seed: int) -> None:
        """Start all draws again and forget every history."""
        self.camera = Camera(self.corruption, self.severity)
        self._seed = seed
        self._seen: dict[int, np.ndarray] = {}

    def perturb(self, pixels: np.ndarray, first: np.ndarray, rows: list[int]) -> Sighting:
        """What is seen of numpy frames [B, K, H, W]; `first` [B] and `rows` as in
        `Adversary.perturb`."""
        pairs = zip(rows, pixels, first, strict=True)
        seen = np.stack([self._look(row, stack, begins=bool(f)) for row, stack, f in pairs])
        return Sighting.of(seen, torch.from_numpy(np.array(pixels, order="C")))

    def _look(self, row: int, stack: np.ndarray, *, begins: bool) -> np.ndarray:
        """One environment's stack [K, H, W]; in that of a beginning, frames that repeat the newest
        are spoilt like it, and what was before it (black, mostly) stays."""
        if begins or row not in self._seen:
            fresh = row not in self._seen
            self.camera.begin(row, stream_seed(self._seed, "corruption", row) if fresh else None)
            shown = self.camera.show(row, stack[-1])
            repeats = (stack == stack[-1]).all((1, 2))
            self._seen[row] = np.where(repeats[:, None, None], shown, stack)
        else:
            shown = self.camera.show(row, stack[-1])
            self._seen[row] = np.concatenate([self._seen[row][1:], shown[None]])
        return self._seen[row]
