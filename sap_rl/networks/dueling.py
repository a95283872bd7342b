"""The dueling Q-network of Wang et al. 2016 (arXiv 1511.06581)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from sap_rl.networks.nature import FRAME_SIZE, HIDDEN, conv_features, nature_body
from sap_rl.types import Features, QValues


class DuelingHead(nn.Module):
    """Features [B, F] -> V + A - mean of A, [B, num_actions] (equation 9): a stream for each."""

    def __init__(self, features: int, num_actions: int) -> None:
        super().__init__()
        self.value = _stream(features, 1)
        self.advantage = _stream(features, num_actions)

    def forward(self, features: Features) -> QValues:
        """Action values."""
        value: QValues = self.value(features)
        advantage: QValues = self.advantage(features)
        return value + advantage - advantage.mean(1, keepdim=True)


def _stream(features: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            dense=nn.Linear(features, HIDDEN), relu=nn.ReLU(), out=nn.Linear(HIDDEN, outputs)
        )
    )


def dueling_network(
    num_actions: int, *, frames: int = 4, size: tuple[int, int] = (FRAME_SIZE, FRAME_SIZE)
) -> nn.Sequential:
    """Unit frames [B, frames, *size] -> action values [B, num_actions].

    The Nature network's convolutions, then a stream for the state's value and one for the actions'
    advantages, each with a dense layer of 512.
    """
    layers = nature_body(num_actions, frames=frames)
    layers["head"] = DuelingHead(conv_features(*size), num_actions)
    return nn.Sequential(layers)
