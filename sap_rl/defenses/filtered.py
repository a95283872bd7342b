"""Defences that filter frames before the network sees them: what they share."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from sap_rl.defenses.defended import ActsOn, Defended, straight_through
from sap_rl.defenses.names import Backward
from sap_rl.errors import unknown
from sap_rl.types import UnitFrames


class Filtered(Defended):
    """A network that sees filtered frames; a defence says by `seen` what they are.

    backward: `full`, the gradient of the filter; `identity`, as if it did nothing (backward-pass
    differentiable approximation, Athalye et al. 2018, arXiv 1802.00420). UsageError for a mode
    that the defence has not.
    """

    acts_on: ClassVar[ActsOn] = "frames"
    backward: Backward

    def __init__(self, module: nn.Module, backward: Backward) -> None:
        super().__init__(module)
        if backward not in self.backwards:
            raise unknown("backward mode", backward, self.backwards)
        self.backward = backward

    def seen(self, obs: UnitFrames) -> UnitFrames:
        """The frames as the network gets them."""
        raise NotImplementedError

    def forward(self, obs: Tensor) -> Tensor:
        if self.backward == "full":
            seen = self.seen(obs)
        else:
            with torch.no_grad():
                filtered = self.seen(obs)
            seen = straight_through(obs, filtered)
        values: Tensor = self.module(seen)
        return values
