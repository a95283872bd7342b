"""A network computed in half precision, for those who measure much and need it soon."""

from __future__ import annotations

import copy

import torch
from torch import nn

from sap_rl.types import QValues, UnitFrames

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class HalfPrecision(nn.Module):
    """A rounded copy of a Q-network: unit frames [B, K, H, W] float32 -> [B, A] float32.

    What it computes lies within a few thousandths of the original's values; near-ties flip. It
    shares nothing with the module.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.module = copy.deepcopy(module).to(dtype)
        self.train(module.training)

    def forward(self, obs: UnitFrames) -> QValues:
        values: QValues = self.module(obs.to(self.dtype))
        return values.to(obs.dtype)
