"""Tianshou's actors on Atari (PPO, A2C): the actor's own trunk and head; the critic is not read."""

from __future__ import annotations

from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.loaders.tianshou import seen_by
from sap_rl.networks.reading.files import Weights
from sap_rl.networks.reading.layers import (
    PLAIN,
    Format,
    has_layers,
    layer_names,
    make_checkpoint,
    renamed,
)  # fmt: skip
from sap_rl.networks.reading.request import Request

CRITIC = ("critic.", "_actor_critic.", "policy.critic.", "policy._actor_critic.")
PREFIXES = ("actor.", "policy.actor.")
TRUNKS = ("preprocess.net.", "preprocess.module.net.")
"""What the names of the trunk begin with; the second divides by 255 (`scale_obs`)."""
PLACES = ("0.0", "0.2", "0.4", "1")
HEAD = "last.model.0"


def recognises(weights: Weights) -> bool:
    """Whether the names are those of an actor on Tianshou's Atari network."""
    return _layers(weights) is not None


def build(weights: Weights, request: Request) -> Checkpoint:
    """The actor's logits."""
    layers = _layers(weights)
    assert layers is not None
    preprocess = seen_by(weights, layers, request)
    state = renamed(weights, layers, PLAIN)
    return make_checkpoint(
        weights, state, preprocess, request, format="tianshou-actor", scores="logits"
    )


def _layers(weights: Weights) -> list[str] | None:
    names = weights.names(*CRITIC)
    for prefix in PREFIXES:
        for trunk in TRUNKS:
            layers = [*layer_names(f"{prefix}{trunk}", PLACES), f"{prefix}{HEAD}"]
            if has_layers(names, layers):
                return layers
    return None


FORMAT = Format("tianshou-actor", "Tianshou PPO or A2C", recognises, build)
