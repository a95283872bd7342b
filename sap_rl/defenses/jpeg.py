"""Frames compressed as JPEG before the network sees them; needs Pillow."""

from __future__ import annotations

import io
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import nn

from sap_rl.defenses.defended import Defense
from sap_rl.defenses.filtered import Filtered
from sap_rl.defenses.names import Backward
from sap_rl.errors import UsageError
from sap_rl.extras import require
from sap_rl.pixels import to_pixels, to_unit
from sap_rl.schema import Option
from sap_rl.types import UnitFrames

LEAST, MOST = 1, 95


class Compressed(Filtered):
    """A network that sees frames of JPEG's quality, see `jpeg`."""

    backwards: ClassVar[tuple[Backward, ...]] = ("identity",)

    def __init__(self, module: nn.Module, quality: int) -> None:
        super().__init__(module, "identity")
        self.quality = quality

    def seen(self, obs: UnitFrames) -> UnitFrames:
        """Every frame of every stack compressed on its own, in whole greys."""
        greys = to_pixels(obs).round().clamp(0, 255).to(torch.uint8).flatten(0, 1).cpu().numpy()
        read = np.stack([self._compressed(grey) for grey in greys])
        return to_unit(torch.from_numpy(read)).view(obs.shape).to(obs)

    def _compressed(self, grey: np.ndarray) -> np.ndarray:
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(grey).save(file, "JPEG", quality=self.quality)
        return np.array(Image.open(file))

    def extra_repr(self) -> str:
        return f"quality={self.quality}"


def jpeg(
    module: nn.Module,
    *,
    quality: Annotated[float, Option("of the compression, 1..95")] = 50,
    seed: int | None = None,
) -> Compressed:
    """Compress frames as JPEG (Dziugaite et al. 2016, arXiv 1608.00853).

    It has no useful gradient: attackers go through it as if it did nothing. UsageError for another
    quality, and where Pillow is missing.
    """
    if not (LEAST <= quality <= MOST and quality == int(quality)):
        raise UsageError(f"quality must be a whole number in {LEAST}..{MOST}, got {quality:g}")
    require(("PIL.Image",), "frames compressed as JPEG")
    return Compressed(module, int(quality))


DEFENSE = Defense(jpeg, Compressed, strength="quality")
