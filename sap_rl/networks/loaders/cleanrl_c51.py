"""CleanRL's `c51_atari`: its `dqn_atari` with a distribution per action and the atoms beside it."""

from __future__ import annotations

from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.loaders import cleanrl
from sap_rl.networks.reading.files import Weights
from sap_rl.networks.reading.layers import (
    CATEGORICAL,
    Format,
    has_layers,
    make_checkpoint,
    renamed,
)  # fmt: skip
from sap_rl.networks.reading.request import Request

SUPPORT = "atoms"
"""The name of the tensor that says where the atoms lie."""


def recognises(weights: Weights) -> bool:
    """Whether the names are those of the script's network."""
    return SUPPORT in weights.tensors and has_layers(weights.names(SUPPORT), cleanrl.LAYERS)


def build(weights: Weights, request: Request) -> Checkpoint:
    """The means of its distributions."""
    preprocess = cleanrl.seen_by(weights, cleanrl.LAYERS, request)
    state = renamed(weights, cleanrl.LAYERS, CATEGORICAL)
    state["head.support"] = weights.take(SUPPORT)
    return make_checkpoint(
        weights, state, preprocess, request, kind="categorical", format="cleanrl-c51"
    )


FORMAT = Format("cleanrl-c51", "CleanRL c51_atari", recognises, build)
