"""A defence that acts on frames: they are rounded to a few greys before the network sees them."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from sap_rl.defenses.defended import Defended, Defense
from sap_rl.defenses.names import Backward
from sap_rl.schema import Option


class Rounded(Defended):
    """A network that sees 2^bits greys."""

    acts_on = "frames"
    backwards = ("full", "identity")

    def __init__(self, module: nn.Module, bits: float, backward: Backward) -> None:
        super().__init__(module)
        self.bits, self.backward = bits, backward

    def forward(self, obs: Tensor) -> Tensor:
        levels = 2**self.bits - 1
        seen = (obs * levels).round() / levels
        if self.backward == "identity":
            seen = obs + (seen - obs).detach()
        values: Tensor = self.module(seen)
        return values


def bits(
    module: nn.Module,
    *,
    bits: Annotated[float, Option("of a pixel", unit="bits")] = 4,
    backward: Annotated[Backward, Option("gradient of the rounding")] = "full",
    seed: int | None = None,
) -> Rounded:
    """Round frames to 2^bits greys (Xu et al. 2018, arXiv 1704.01155)."""
    return Rounded(module, bits, backward)


DEFENSE = Defense(bits, Rounded, strength="bits")
