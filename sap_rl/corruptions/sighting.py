"""Frames as a corrupted camera shows them, and how far they are from the clean ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sap_rl.types import PerExample, Pixels


@dataclass(frozen=True)
class Sighting:
    """One step's frames, as `Attacked` has them of an attack.

    pixels [B, K, H, W]: as the cameras show them; linf, mean [B]: largest and mean absolute
    distance to the clean frames in pixels. Nobody attacks, so there is no label, and nothing idle.
    """

    pixels: Pixels
    linf: PerExample
    mean: PerExample
    label: None = None
    idle: None = None

    @classmethod
    def of(cls, seen: np.ndarray, clean: Pixels) -> Sighting:
        """What was seen uint8 [B, K, H, W] instead of clean frames."""
        pixels = torch.from_numpy(seen).to(clean.device)
        moved = (pixels.float() - clean).abs_().flatten(1)
        return cls(pixels, moved.amax(1), moved.mean(1))

    @property
    def measured(self) -> dict[str, Tensor]:
        """What was measured, per environment [B]."""
        return {"linf": self.linf, "mean": self.mean}
