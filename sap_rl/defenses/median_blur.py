"""Frames in which each pixel is the median of its neighbours."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch.nn.functional as F
from torch import nn

from sap_rl.defenses.defended import Defense
from sap_rl.defenses.filtered import Filtered
from sap_rl.defenses.names import Backward
from sap_rl.errors import UsageError
from sap_rl.schema import Option
from sap_rl.types import UnitFrames

LARGEST = 9


class MedianBlurred(Filtered):
    """A network that sees medians of squares, see `median_blur`."""

    backwards: ClassVar[tuple[Backward, ...]] = ("full", "identity")

    def __init__(self, module: nn.Module, size: int, backward: Backward) -> None:
        super().__init__(module, backward)
        self.size = size

    def seen(self, obs: UnitFrames) -> UnitFrames:
        """The median of every square, whose border goes on as its outermost pixels."""
        frames = obs.flatten(0, 1)[:, None]
        around = F.pad(frames, [self.size // 2] * 4, mode="replicate")
        squares = F.unfold(around, self.size)  # [B * K, size^2, H * W]
        return squares.median(1).values.view(obs.shape)

    def extra_repr(self) -> str:
        return f"size={self.size}"


def median_blur(
    module: nn.Module,
    *,
    size: Annotated[float, Option("side of the square, odd", unit="pixels")] = 3,
    backward: Annotated[Backward, Option("gradient of the median: full or identity")] = "full",
    seed: int | None = None,
) -> MedianBlurred:
    """Replace each pixel by the median of a square around it (Xu et al. 2018, arXiv 1704.01155).

    UsageError for a side that is even, below 3 or above 9, and for another backward mode.
    """
    if size not in range(3, LARGEST + 1, 2):
        raise UsageError(f"size must be an odd number in 3..{LARGEST}, got {size:g}")
    return MedianBlurred(module, int(size), backward)


DEFENSE = Defense(median_blur, MedianBlurred, strength="size")
