"""The Q-network of Mnih et al. 2015 (Nature 518), as Double DQN uses it."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from sap_rl.errors import UsageError, require_positive
from sap_rl.networks.strided import StridedConv2d

FRAME_SIZE = 84
"""Height and width of the frames that the network sees, in pixels."""
SMALLEST = 36
"""The least height and width for which the convolutions make any features."""
KERNELS = ((8, 4), (4, 2), (3, 1))
"""Size and stride of its convolutions."""
CHANNELS = 64
"""Channels of the last one."""
HIDDEN = 512
"""Width of the dense layer."""


def nature_network(
    num_actions: int, *, frames: int = 4, size: tuple[int, int] = (FRAME_SIZE, FRAME_SIZE)
) -> nn.Sequential:
    """Unit frames [B, frames, *size] -> action values [B, num_actions].

    Three convolutions (32@8x8/4, 64@4x4/2, 64@3x3/1), a dense layer of 512, ReLU after each.
    """
    layers = nature_body(num_actions, frames=frames)
    layers["dense"] = nn.Linear(conv_features(*size), HIDDEN)
    layers["relu4"] = nn.ReLU()
    layers["q"] = nn.Linear(HIDDEN, num_actions)
    return nn.Sequential(layers)


def nature_body(num_actions: int, *, frames: int) -> OrderedDict[str, nn.Module]:
    """The layers up to the features [B, F], by name; refuses sizes that make no Q-network."""
    if num_actions < 2:
        raise UsageError(f"a Q-network needs at least 2 actions, got {num_actions}")
    require_positive("frames", frames)
    return OrderedDict(
        conv1=StridedConv2d(frames, 32, 8, stride=4),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(32, 64, 4, stride=2),
        relu2=nn.ReLU(),
        conv3=nn.Conv2d(64, 64, 3, stride=1),
        relu3=nn.ReLU(),
        flatten=nn.Flatten(),
    )


def conv_features(height: int, width: int) -> int:
    """How many features the convolutions make of a frame; UsageError for one too small."""
    if min(height, width) < SMALLEST:
        raise UsageError(
            f"the network needs frames of at least {SMALLEST}x{SMALLEST}, got {height}x{width}"
        )
    return CHANNELS * conv_side(height) * conv_side(width)


def conv_side(side: int, padding: tuple[int, ...] = (0, 0, 0)) -> int:
    """The side of what the convolutions make of a frame's, in pixels."""
    for (size, stride), beside in zip(KERNELS, padding, strict=True):
        side = (side + 2 * beside - size) // stride + 1
    return side
