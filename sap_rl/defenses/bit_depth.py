"""Frames of few greys."""

from __future__ import annotations

from typing import Annotated, ClassVar

from torch import Tensor, nn

from sap_rl.defenses.defended import Defense
from sap_rl.defenses.filtered import Filtered
from sap_rl.defenses.names import Backward
from sap_rl.errors import UsageError
from sap_rl.schema import Option
from sap_rl.types import UnitFrames


class FewGreys(Filtered):
    """A network that sees 2^bits greys, see `bit_depth`."""

    backwards: ClassVar[tuple[Backward, ...]] = ("identity",)

    def __init__(self, module: nn.Module, bits: int) -> None:
        super().__init__(module, "identity")
        self.bits = bits

    def seen(self, obs: UnitFrames) -> UnitFrames:
        """The nearest grey of each pixel."""
        most = 2**self.bits - 1
        nearest: Tensor = (obs * most).round() / most
        return nearest

    def extra_repr(self) -> str:
        return f"bits={self.bits}"


def bit_depth(
    module: nn.Module,
    *,
    bits: Annotated[float, Option("of a pixel, 1..8", unit="bits")] = 3,
    seed: int | None = None,
) -> FewGreys:
    """Round frames to 2^bits greys (Xu et al. 2018, arXiv 1704.01155).

    The rounding has no gradient: attackers go through it as if it did nothing. UsageError for
    another number of bits.
    """
    if not (1 <= bits <= 8 and bits == int(bits)):
        raise UsageError(f"bits must be a whole number in 1..8, got {bits:g}")
    return FewGreys(module, int(bits))


DEFENSE = Defense(bit_depth, FewGreys, strength="bits")
