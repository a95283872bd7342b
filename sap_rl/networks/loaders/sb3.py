"""Stable-Baselines3's DQN: the zip of `model.save`, of which only `policy.pth` is read."""

from __future__ import annotations

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

TARGET = "q_net_target."
"""What the names of the target network begin with; it is not read."""
EXTRACTOR = [*layer_names("cnn.", (0, 2, 4)), "linear.0"]
"""Layers of Stable-Baselines3's NatureCNN."""
HEAD = "q_net.q_net.0"


def nature_cnn(network: str) -> list[str]:
    """The layers of a network's feature extractor."""
    return layer_names(f"{network}.features_extractor.", EXTRACTOR)


def zoo_preprocess(frames: int) -> Preprocess:
    """What `make_atari_env` and `VecFrameStack` give: OpenCV's grey of the pooled colours."""
    return Preprocess(frames=frames, grey="pooled")


def recognises(weights: Weights) -> bool:
    """Whether the names are those of DQN's Q-network, whatever its head."""
    names = weights.names(TARGET)
    layers = nature_cnn("q_net")
    return {f"{layer}.weight" for layer in [*layers, HEAD]} <= names


def build(weights: Weights, request: Request) -> Checkpoint:
    """The online network; it divides by 255 inside, as ours does outside."""
    layers = nature_cnn("q_net")
    if not has_layers(weights.names(TARGET), [*layers, HEAD]):
        raise refusal(
            weights.path,
            "a Stable-Baselines3 DQN whose policy is not the plain CnnPolicy (net_arch or a "
            "features extractor of its own): load it there and pass the model or its q_net",
        )
    preprocess = request.settle(zoo_preprocess(frames_of(weights, layers[0])))
    state = renamed(weights, [*layers, HEAD], PLAIN)
    return make_checkpoint(weights, state, preprocess, request, format="sb3")


FORMAT = Format("sb3", "Stable-Baselines3 DQN", recognises, build)
