"""The atari-agents collection (floringogianu): gzipped DQN, Munchausen DQN and C51."""

from __future__ import annotations

from sap_rl.atari.preprocess import Preprocess
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.reading.files import Weights
from sap_rl.networks.reading.layers import (
    CATEGORICAL,
    PLAIN,
    Format,
    frames_of,
    has_layers,
    layer_names,
    make_checkpoint,
    renamed,
)  # fmt: skip
from sap_rl.networks.reading.request import Request

LAYERS = [
    *layer_names("_AtariNet__features.", (0, 2, 4)),
    *layer_names("_AtariNet__head.", (0, 2)),
]
SUPPORT = "_AtariNet__support"
"""The name of the tensor that says where the atoms of a C51 lie."""
STICKY = 0.25
"""The collection trained and scored its agents with actions that stick with this chance."""


def recognises(weights: Weights) -> bool:
    """Whether the names are those of the collection's network."""
    return has_layers(weights.names(SUPPORT), LAYERS)


def build(weights: Weights, request: Request) -> Checkpoint:
    """The network on unit frames; a C51 gives the means of its distributions."""
    frames = frames_of(weights, LAYERS[0])
    preprocess = request.settle(Preprocess(frames=frames, sticky_actions=STICKY))
    if SUPPORT not in weights.tensors:
        state = renamed(weights, LAYERS, PLAIN)
        return make_checkpoint(weights, state, preprocess, request, format="atari-agents")
    state = renamed(weights, LAYERS, CATEGORICAL)
    state["head.support"] = weights.take(SUPPORT)
    return make_checkpoint(
        weights, state, preprocess, request, kind="categorical", format="atari-agents"
    )


FORMAT = Format("atari-agents", "atari-agents", recognises, build)
