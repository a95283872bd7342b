"""Stable-Baselines3's actors: PPO, A2C, and of sb3-contrib TRPO and MaskablePPO, whose zips are one
layout. Of each the actor is read, the critic is not."""

from __future__ import annotations

from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.loaders.sb3 import EXTRACTOR, zoo_preprocess
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
from sap_rl.networks.unplayable import CONTINUOUS

ACTOR, SHARED = "pi_features_extractor.", "features_extractor."
"""What an extractor's names begin with: the actor's own; the one of both, which versions before 2.0
have alone. A shared one stands in a file under each name that it has."""
CRITIC = ("vf_features_extractor.", "value_net.", "mlp_extractor.value_net.")
"""What the names of tensors begin with that only the critic uses."""
HEAD = "action_net"


def recognises(weights: Weights) -> bool:
    """Whether the names are those of an actor without memory beside a critic, whatever its head."""
    names = set(weights.tensors)
    heads = {f"{HEAD}.weight", "value_net.weight", f"{_layers(weights)[0]}.weight"}
    return heads <= names and not any("lstm" in name for name in names)


def build(weights: Weights, request: Request) -> Checkpoint:
    """The actor's logits; it divides by 255 inside, as ours does outside."""
    if "log_std" in weights.tensors:
        raise refusal(weights.path, CONTINUOUS)
    layers = _layers(weights)
    others = (SHARED,) if layers[0].startswith(ACTOR) else ()
    if not has_layers(weights.names(*CRITIC, *others), layers):
        raise refusal(
            weights.path,
            "a Stable-Baselines3 actor whose policy is not the plain CnnPolicy (net_arch or a "
            "features extractor of its own): load it there and pass the model",
        )
    preprocess = request.settle(zoo_preprocess(frames_of(weights, layers[0])))
    state = renamed(weights, layers, PLAIN)
    return make_checkpoint(
        weights, state, preprocess, request, format="sb3-actor", scores="logits"
    )  # fmt: skip


def _layers(weights: Weights) -> list[str]:
    """The layers of the actor, its own extractor's where it has a name of its own."""
    own = any(name.startswith(ACTOR) for name in weights.tensors)
    return [*layer_names(ACTOR if own else SHARED, EXTRACTOR), HEAD]


FORMAT = Format("sb3-actor", "Stable-Baselines3 PPO or A2C", recognises, build)
