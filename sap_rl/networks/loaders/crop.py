"""CROP (Wu et al. 2022, arXiv 2106.09292): certified agents on CleanRL's network.

Its files bear CleanRL's names, or the bare ones of an nn.Sequential; it divides by 255 outside,
greys before resizing, and may play with the first actions only.
"""

from __future__ import annotations

from sap_rl.atari.preprocess import Preprocess
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.loaders import cleanrl
from sap_rl.networks.reading.files import Weights
from sap_rl.networks.reading.layers import (
    PLAIN,
    Format,
    frames_of,
    has_layers,
    layer_names,
    make_checkpoint,
    outputs_of,
    renamed,
)  # fmt: skip
from sap_rl.networks.reading.request import Request

BARE = layer_names("", (0, 2, 4, 7, 9))


def recognises(weights: Weights) -> bool:
    """Whether the names are CleanRL's, or bare ones with more than SA-DQN's one frame."""
    if has_layers(weights.names(), BARE):
        return frames_of(weights, BARE[0]) > 1
    return has_layers(weights.names(), cleanrl.LAYERS)


def build(weights: Weights, request: Request) -> Checkpoint:
    """The network on unit frames."""
    layers = BARE if has_layers(weights.names(), BARE) else cleanrl.LAYERS
    trained = Preprocess(
        frames=frames_of(weights, layers[0]),
        grey="pooled",
        first_actions=outputs_of(weights, layers[-1]),
    )
    state = renamed(weights, layers, PLAIN)
    return make_checkpoint(weights, state, request.settle(trained), request, format="crop")


FORMAT = Format("crop", "CROP", recognises, build)
