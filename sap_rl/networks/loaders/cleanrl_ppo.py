"""CleanRL's `ppo_atari`: actor and critic on one trunk, which sees what its `dqn_atari` sees."""

from __future__ import annotations

from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.loaders.cleanrl import seen_by
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

LAYERS = [*layer_names("network.", (0, 2, 4, 7)), "actor"]
CRITIC = "critic."


def recognises(weights: Weights) -> bool:
    """Whether the names are those of the script's agent."""
    critic = any(name.startswith(CRITIC) for name in weights.tensors)
    return critic and has_layers(weights.names(CRITIC), LAYERS)


def build(weights: Weights, request: Request) -> Checkpoint:
    """The actor's logits of unit frames; its stack begins with the first frame repeated."""
    preprocess = seen_by(weights, LAYERS, request)
    state = renamed(weights, LAYERS, PLAIN)
    return make_checkpoint(
        weights, state, preprocess, request, format="cleanrl-ppo", scores="logits"
    )  # fmt: skip


FORMAT = Format("cleanrl-ppo", "CleanRL ppo_atari", recognises, build)
