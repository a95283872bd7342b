"""The categorical network of C51 (Bellemare et al. 2017, arXiv 1707.06887)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sap_rl.networks.nature import FRAME_SIZE, HIDDEN, conv_features, nature_body
from sap_rl.types import Features, QValues

NUM_ATOMS = 51
"""Points of the return's distribution, evenly spaced over -10..10 unless a file says otherwise."""


class CategoricalHead(nn.Module):
    """Features [B, F] -> the mean return per action, [B, num_actions].

    `out` gives logits [B, num_actions * num_atoms]; `support` [num_atoms] the atoms' places.
    """

    support: Tensor

    def __init__(self, features: int, num_actions: int, num_atoms: int = NUM_ATOMS) -> None:
        super().__init__()
        self.out = nn.Linear(features, num_actions * num_atoms)
        self.register_buffer("support", torch.linspace(-10.0, 10.0, num_atoms))

    def forward(self, features: Features) -> QValues:
        """Action values."""
        logits: Tensor = self.out(features)
        chances = logits.view(len(logits), -1, len(self.support)).softmax(2)
        values: QValues = (chances * self.support).sum(2)
        return values


def categorical_network(
    num_actions: int, *, frames: int = 4, size: tuple[int, int] = (FRAME_SIZE, FRAME_SIZE)
) -> nn.Sequential:
    """Unit frames [B, frames, *size] -> action values [B, num_actions].

    The Nature network with a distribution of 51 atoms per action in place of a value.
    """
    layers = nature_body(num_actions, frames=frames)
    layers["dense"] = nn.Linear(conv_features(*size), HIDDEN)
    layers["relu4"] = nn.ReLU()
    layers["head"] = CategoricalHead(HIDDEN, num_actions)
    return nn.Sequential(layers)
