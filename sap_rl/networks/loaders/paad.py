"""PA-AD (Sun et al. 2022, arXiv 2106.05087): the victims that its attackers were trained on."""

from __future__ import annotations

from sap_rl.atari.preprocess import Preprocess
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.reading.files import Weights
from sap_rl.networks.reading.layers import (
    DUELING,
    PLAIN,
    Format,
    frames_of,
    has_layers,
    layer_names,
    make_checkpoint,
    renamed,
)  # fmt: skip
from sap_rl.networks.reading.request import Request

TARGET = "target_Q."
LAYERS = layer_names("Q.", ("conv1", "conv2", "conv3", "fc4", "fc5"))
DUELING_LAYERS = [*LAYERS, "Q.fc6", "Q.fc7"]


def recognises(weights: Weights) -> bool:
    """Whether the names are those of PA-AD's agent, plain or dueling."""
    names = weights.names(TARGET)
    return has_layers(names, LAYERS) or has_layers(names, DUELING_LAYERS)


def build(weights: Weights, request: Request) -> Checkpoint:
    """The online network on unit frames."""
    plain = has_layers(weights.names(TARGET), LAYERS)
    preprocess = request.settle(Preprocess(frames=frames_of(weights, LAYERS[0]), grey="pooled"))
    state = renamed(weights, LAYERS if plain else DUELING_LAYERS, PLAIN if plain else DUELING)
    return make_checkpoint(
        weights, state, preprocess, request,
        kind="nature" if plain else "dueling", format="paad",
    )  # fmt: skip


FORMAT = Format("paad", "PA-AD", recognises, build)
