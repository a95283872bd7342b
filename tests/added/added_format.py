"""A checkpoint format: the Nature network's tensors behind `added.`."""

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
)
from sap_rl.networks.reading.request import Request

LAYERS = layer_names("added.", PLAIN)


def recognises(weights: Weights) -> bool:
    """The names of its network."""
    return has_layers(weights.names(), LAYERS)


def build(weights: Weights, request: Request) -> Checkpoint:
    """The network on unit frames."""
    preprocess = request.settle(Preprocess(frames=frames_of(weights, LAYERS[0])))
    state = renamed(weights, LAYERS, PLAIN)
    return make_checkpoint(weights, state, preprocess, request, format="added")


FORMAT = Format("added", "the added project", recognises, build)
