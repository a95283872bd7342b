"""RADIAL-RL (Oikarinen et al. 2021, arXiv 2008.01976), both versions of its DQN.

Version 2 has SA-DQN's network and frames and returns value and advantage apart; version 1 sees
80x80 pixels, the mean of the colours.
"""

from __future__ import annotations

from sap_rl.atari.preprocess import Preprocess
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.loaders.sa_dqn import DUELING_LAYERS, build_square
from sap_rl.networks.reading.files import Weights
from sap_rl.networks.reading.layers import (
    PLAIN,
    Format,
    frames_of,
    has_layers,
    layer_names,
    make_checkpoint,
    renamed,
)  # fmt: skip
from sap_rl.networks.reading.request import Request, ask

V1_LAYERS = layer_names("model.", (0, 2, 4, 7, 9))
V1_FEATURES = 2304
"""Inputs of version 1's dense layer: 64 maps of 6x6."""
V1_CROPS = {"Pong": (34, 0, 160, 160)}
"""The part of the screen that version 1 sees, for games whose configuration is known."""


def recognises(weights: Weights) -> bool:
    """Whether the names are those of version 1, with its dense layer's size, or of version 2."""
    names = weights.names()
    if has_layers(names, V1_LAYERS):
        return tuple(weights.take(f"{V1_LAYERS[3]}.weight").shape[1:]) == (V1_FEATURES,)
    return has_layers(names, DUELING_LAYERS)


def build(weights: Weights, request: Request) -> Checkpoint:
    """The network on unit frames."""
    if not has_layers(weights.names(), V1_LAYERS):
        return build_square(weights, request, "radial")
    if not request.says("crop") and request.game not in V1_CROPS:
        raise ask(
            weights.path,
            f"which part of the screen did it see? Known for {', '.join(V1_CROPS)}.",
            "its game with game= (--game)",
            "crop in preprocess (--preprocess crop=34,0,160,160: top, left, height, width)",
        )
    trained = Preprocess(
        frames=frames_of(weights, V1_LAYERS[0]),
        height=80,
        width=80,
        crop=V1_CROPS.get(request.game or "", ()),
        grey="pooled",
        luma="mean",
        interpolation="linear",
    )
    state = renamed(weights, V1_LAYERS, PLAIN)
    return make_checkpoint(weights, state, request.settle(trained), request, format="radial")


FORMAT = Format("radial", "RADIAL", recognises, build)
