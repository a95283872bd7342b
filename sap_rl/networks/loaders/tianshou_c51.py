"""Tianshou's C51: its DQN with a distribution per action, and the policy's support beside it."""

from __future__ import annotations

from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.loaders.tianshou import layers_of, seen_by
from sap_rl.networks.reading.files import Weights
from sap_rl.networks.reading.layers import CATEGORICAL, Format, make_checkpoint, renamed
from sap_rl.networks.reading.request import Request

SUPPORTS = ("support", "policy.support")
"""The names of the tensor that says where the atoms lie."""


def recognises(weights: Weights) -> bool:
    """Whether the names are those of a C51's policy; its network alone does not say its atoms."""
    return _support(weights) is not None and layers_of(weights, *SUPPORTS) is not None


def build(weights: Weights, request: Request) -> Checkpoint:
    """The means of its distributions."""
    layers, support = layers_of(weights, *SUPPORTS), _support(weights)
    assert layers is not None
    assert support is not None
    preprocess = seen_by(weights, layers, request)
    state = renamed(weights, layers, CATEGORICAL)
    state["head.support"] = weights.take(support)
    return make_checkpoint(
        weights, state, preprocess, request, kind="categorical", format="tianshou-c51"
    )


def _support(weights: Weights) -> str | None:
    return next((name for name in SUPPORTS if name in weights.tensors), None)


FORMAT = Format("tianshou-c51", "Tianshou C51", recognises, build)
