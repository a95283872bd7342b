"""Tianshou's DQN: a policy's state_dict, or its network's alone."""

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
from sap_rl.networks.reading.request import Request, ask

TARGETS = ("model_old.", "policy.model_old.")
PLACES = ("0.0", "0.2", "0.4", "1", "3")
PREFIXES = ("model.net.", "policy.model.net.", "net.")
SCALED = ("model.module.net.", "policy.model.module.net.", "module.net.")
"""What the names of a network inside `scale_obs` begin with; it divides by 255."""


def recognises(weights: Weights) -> bool:
    """Whether the names are those of Tianshou's Atari network."""
    return layers_of(weights) is not None


def build(weights: Weights, request: Request) -> Checkpoint:
    """The online network."""
    layers = layers_of(weights)
    assert layers is not None
    preprocess = seen_by(weights, layers, request)
    state = renamed(weights, layers, PLAIN)
    return make_checkpoint(weights, state, preprocess, request, format="tianshou")


def layers_of(weights: Weights, *beside: str) -> list[str] | None:
    """The layers of the online network, None where there are other ones; beside: names of tensors
    that stand there too."""
    names = weights.names(*TARGETS, *beside)
    found = (layer_names(prefix, PLACES) for prefix in (*PREFIXES, *SCALED))
    return next((layers for layers in found if has_layers(names, layers)), None)


def seen_by(weights: Weights, layers: list[str], request: Request) -> Preprocess:
    """What the network sees; where it is not inside `scale_obs`, the request must say whether it
    saw 0..1 or 0..255."""
    scaled = ".module.net." in f".{layers[0]}"
    if not scaled and not request.says("scale"):
        raise ask(
            weights.path,
            "was it trained on frames 0..1 (scale_obs=True) or on raw pixels 0..255 (the default)?",
            "scale=unit",
            "scale=pixels in preprocess (--preprocess scale=pixels)",
        )
    frames = frames_of(weights, layers[0])
    return request.settle(Preprocess(frames=frames, grey="pooled", fill="repeat"))


FORMAT = Format("tianshou", "Tianshou DQN", recognises, build)
