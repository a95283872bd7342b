"""CleanRL's `dqn_atari`: a state_dict that divides by 255 inside and resizes before greying."""

from __future__ import annotations

from sap_rl.atari.preprocess import Preprocess
from sap_rl.networks.checkpoint import Checkpoint
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
from sap_rl.networks.reading.request import Request

LAYERS = layer_names("network.", (0, 2, 4, 7, 9))
"""Layers in files of today's script; CROP's files have the same names."""
SCALED = layer_names("network.", (1, 3, 5, 8, 10))
"""Layers in files of earlier scripts, whose network began with a module that divides."""


def recognises(weights: Weights) -> bool:
    """Whether the names are those of today's or of an earlier script."""
    names = weights.names()
    return has_layers(names, LAYERS) or has_layers(names, SCALED)


def build(weights: Weights, request: Request) -> Checkpoint:
    """The network on unit frames; its stack begins with the first frame repeated."""
    layers = LAYERS if has_layers(weights.names(), LAYERS) else SCALED
    preprocess = seen_by(weights, layers, request)
    state = renamed(weights, layers, PLAIN)
    return make_checkpoint(weights, state, preprocess, request, format="cleanrl")


def seen_by(weights: Weights, layers: list[str], request: Request) -> Preprocess:
    """What CleanRL's networks see."""
    frames = frames_of(weights, layers[0])
    return request.settle(Preprocess(frames=frames, grey="resized", fill="repeat"))


FORMAT = Format("cleanrl", "CleanRL dqn_atari", recognises, build)
