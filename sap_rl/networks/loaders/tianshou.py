"""Tianshou's DQN: a policy's state_dict, or its network's alone."""

from __future__ import annotations

from sap_rl.atari.preprocess import Preprocess
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.loaders.files import Weights
from sap_rl.networks.loaders.layers import (
    PLAIN,
    Format,
    frames_of,
    has_layers,
    layer_names,
    make_checkpoint,
    renamed,
)  # fmt: skip
from sap_rl.networks.loaders.request import Request, ask

TARGETS = ("model_old.", "policy.model_old.")
PLACES = ("0.0", "0.2", "0.4", "1", "3")
PREFIXES = ("model.net.", "policy.model.net.", "net.")
SCALED = ("model.module.net.", "policy.model.module.net.", "module.net.")
"""What the names of a network inside `scale_obs` begin with; it divides by 255."""


def recognises(weights: Weights) -> bool:
    """Whether the names are those of Tianshou's Atari network."""
    return _prefix(weights) is not None


def build(weights: Weights, request: Request) -> Checkpoint:
    """The online network; of a plain file the request must say whether it saw 0..1 or 0..255."""
    prefix = _prefix(weights) or ""
    scaled = prefix in SCALED
    if not scaled and not request.says("scale"):
        raise ask(
            weights.path,
            "was it trained on frames 0..1 (scale_obs=True) or on raw pixels 0..255 (the default)?",
            "scale=unit",
            "scale=pixels in preprocess (--preprocess scale=pixels)",
        )
    layers = layer_names(prefix, PLACES)
    frames = frames_of(weights, layers[0])
    preprocess = request.settle(Preprocess(frames=frames, grey="pooled", fill="repeat"))
    state = renamed(weights, layers, PLAIN)
    return make_checkpoint(weights, state, preprocess, request, format="tianshou")


def _prefix(weights: Weights) -> str | None:
    names = weights.names(*TARGETS)
    for prefix in (*PREFIXES, *SCALED):
        if has_layers(names, layer_names(prefix, PLACES)):
            return prefix
    return None


FORMAT = Format("tianshou", "Tianshou DQN", recognises, build)
