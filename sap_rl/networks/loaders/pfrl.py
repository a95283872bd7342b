"""PFRL's DQN and Double DQN: the `model.pt` of an agent's folder."""

from __future__ import annotations

import torch

from sap_rl.atari.preprocess import Preprocess
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.reading.files import Weights, refusal
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

BODY = [*layer_names("0.layers.", (0, 1, 2)), "0.output"]
"""Layers of PFRL's LargeAtariCNN."""
SHARED_BIAS = "2.bias"
"""The name of PFRL's SingleSharedBias: one number for all actions."""


def recognises(weights: Weights) -> bool:
    """Whether the names are those of PFRL's network: a bias per action, a shared one, or none."""
    rest = {name for name in weights.names() if not name.startswith("0.")}
    body = weights.names() - rest
    heads: tuple[set[str], ...] = (
        {"1.weight", "1.bias"}, {"1.weight", SHARED_BIAS}, {"1.weight"}
    )  # fmt: skip
    return has_layers(body, BODY) and rest in heads


def build(weights: Weights, request: Request) -> Checkpoint:
    """The network on unit frames."""
    frames = frames_of(weights, BODY[0])
    preprocess = request.settle(Preprocess(frames=frames, grey="pooled", fill="repeat"))
    state = renamed(weights, BODY, PLAIN[:4])
    state["q.weight"] = weights.take("1.weight")
    bias = torch.zeros(len(state["q.weight"])) if state["q.weight"].ndim else torch.zeros(0)
    if "1.bias" in weights.tensors:
        bias = weights.take("1.bias")
    elif SHARED_BIAS in weights.tensors:
        shared = weights.take(SHARED_BIAS)
        if shared.numel() != 1:
            raise refusal(weights.path, f"'{SHARED_BIAS}' is not one number but {shared.numel()}")
        bias = bias + shared.reshape(())
    state["q.bias"] = bias
    return make_checkpoint(weights, state, preprocess, request, format="pfrl")


FORMAT = Format("pfrl", "PFRL DQN", recognises, build)
