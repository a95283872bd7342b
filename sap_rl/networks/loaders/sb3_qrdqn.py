"""sb3-contrib's QR-DQN: the quantiles of each action are folded into their mean."""

from __future__ import annotations

from torch import Tensor

from sap_rl.atari.env import num_actions
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.loaders.sb3 import nature_cnn, zoo_preprocess
from sap_rl.networks.reading.files import Weights, refusal
from sap_rl.networks.reading.layers import (
    PLAIN,
    Format,
    frames_of,
    has_layers,
    make_checkpoint,
    renamed,
)  # fmt: skip
from sap_rl.networks.reading.request import Request, ask

TARGET = "quantile_net_target."
LAYERS = [*nature_cnn("quantile_net"), "quantile_net.quantile_net.0"]


def recognises(weights: Weights) -> bool:
    """Whether the names are those of QR-DQN's quantile network."""
    return has_layers(weights.names(TARGET), LAYERS)


def build(weights: Weights, request: Request) -> Checkpoint:
    """The Nature network whose values are the quantiles' means: the same greedy action."""
    preprocess = request.settle(zoo_preprocess(frames_of(weights, LAYERS[0])))
    state = renamed(weights, LAYERS, PLAIN)
    outputs = len(state["q.bias"]) if state["q.bias"].ndim == 1 else 0
    actions = preprocess.first_actions or (18 if preprocess.full_action_space else 0)
    if not actions:
        if request.game is None:
            raise ask(
                weights.path,
                f"how many actions do its {outputs} outputs belong to?",
                "its game with game= (--game)",
                "first_actions in preprocess (--preprocess first_actions=6)",
            )
        actions = num_actions(request.game)
    if outputs % actions or state["q.weight"].shape[:1] != (outputs,):
        raise refusal(weights.path, f"{outputs} outputs are no quantiles of {actions} actions")
    for name in ("q.weight", "q.bias"):
        state[name] = _folded(state[name], actions)
    return make_checkpoint(weights, state, preprocess, request, format="sb3-qrdqn")


def _folded(rows: Tensor, actions: int) -> Tensor:
    """[N * A, ...] with the quantiles outside -> [A, ...], their mean."""
    return rows.view(-1, actions, *rows.shape[1:]).double().mean(0).to(rows.dtype)


FORMAT = Format("sb3-qrdqn", "sb3-contrib QR-DQN", recognises, build)
