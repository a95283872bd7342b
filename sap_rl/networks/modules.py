"""Networks that people hand over as they have them: compiled, in half precision, or
Stable-Baselines3's, which take pixels."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from torch import Tensor, nn

from sap_rl.errors import UsageError
from sap_rl.networks import Scores
from sap_rl.networks.precision import said_of_precision
from sap_rl.networks.unplayable import CONTINUOUS, RECURRENT
from sap_rl.pixels import PIXEL_MAX
from sap_rl.types import QValues

Made = TypeVar("Made")
SB3 = ("stable_baselines3", "sb3_contrib")
WITH_VALUES = ("q_net", "quantile_net")
"""Networks of Stable-Baselines3's policies that give action values or their quantiles."""


@dataclass(frozen=True)
class Understood:
    """A network that gives scores of actions, and what it says of its frames.

    said: entries of a `Preprocess`; facts: what was done to it, for people; scores: what it gives,
    None where it does not say; otherwise: the same network in its own precision, None where that is
    float32.
    """

    network: nn.Module
    said: dict[str, Any]
    facts: dict[str, str]
    scores: Scores | None = None
    otherwise: Understood | None = None

    @property
    def name(self) -> str:
        """What the network is called."""
        own = isinstance(self.network, InOwnPrecision)
        return type(self.network.network if own else self.network).__name__

    def made(self, make: Callable[[Understood], Made]) -> Made:
        """What is made of it; in its own precision where it fails in float32, as where it casts its
        frames itself. UsageError of the first where both fail."""
        try:
            return make(self)
        except UsageError:
            if self.otherwise is None:
                raise
            with suppress(UsageError):
                return make(self.otherwise)
            raise


class InOwnPrecision(nn.Module):
    """A network that casts its frames itself: unit frames float32 -> scores float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, obs: Tensor) -> QValues:
        """Scores of actions."""
        values: QValues = self.network(obs).float()
        return values


class Actor(nn.Sequential):
    """What an actor of Stable-Baselines3 makes of its frames, scaled or not: logits [B, A]."""

    def __init__(self, policy: Any) -> None:
        latent = policy.mlp_extractor.policy_net
        super().__init__(policy.pi_features_extractor, latent, policy.action_net)


class MeanOfQuantiles(nn.Module):
    """A QR-DQN network [B, N, A] as action values [B, A]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, obs: Tensor) -> QValues:
        """Action values."""
        quantiles: Tensor = self.network(obs)
        values: QValues = quantiles.mean(1)
        return values


def is_network(given: object) -> bool:
    """Whether `understood` takes it: a module, or a model of Stable-Baselines3."""
    return isinstance(given, nn.Module) or _is_sb3(given)


def understood(given: Any) -> Understood:
    """The network in a module or a model, as float32; UsageError for one without such scores.

    Recognised by what it is, never by its values. A network in another precision is copied.
    """
    network, said = given, dict[str, Any]()
    scores: Scores | None = None
    if _is_sb3(given) and hasattr(policy := getattr(given, "policy", given), "action_net"):
        network, said, scores = _actor(policy), _said_to_extractor(policy), "logits"
    elif _is_sb3(given):
        network = _sb3_network(given)
        said, scores = _said_by_space(network), "values"
    while isinstance(inner := _wrapped(network), nn.Module):
        network = inner
        if _is_sb3(network):
            return understood(network)
    if _is_sb3(network) and hasattr(network, "quantile_net"):
        network = MeanOfQuantiles(network)
    if any(weight.is_meta for weight in network.parameters()):
        raise UsageError(f"{type(network).__name__} has no weights (device meta): load them first")
    facts = said_of_precision(dict(network.named_parameters()))
    if not facts:
        return Understood(network, said, facts, scores)
    own = {"precision": facts["precision"].replace(" in float32", " in its own precision")}
    otherwise = Understood(InOwnPrecision(network), said, own, scores)
    return Understood(copy.deepcopy(network).float(), said, facts, scores, otherwise)


def _wrapped(network: nn.Module) -> object:
    """What torch.compile or a data-parallel wrapper holds; None for any other module."""
    parallel = isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel)
    return network.module if parallel else getattr(network, "_orig_mod", None)


def _is_sb3(given: object) -> bool:
    kinds = type(given).__mro__
    own = any(kind.__module__.partition(".")[0] in SB3 for kind in kinds)
    return own and hasattr(given, "observation_space")


def _sb3_network(given: Any) -> nn.Module:
    """The online network of a model, its policy or itself."""
    policy = getattr(given, "policy", given)
    for name in WITH_VALUES:
        network = getattr(policy, name, None)
        if isinstance(network, nn.Module):  # a policy's network, or the last layers of a network
            return network if _is_sb3(network) else policy
    raise UsageError(
        f"{type(given).__name__} of Stable-Baselines3 gives no scores of actions: DQN, QR-DQN, PPO "
        "and A2C do; pass a module of its network that gives logits, with preprocess"
    )


def _actor(policy: Any) -> nn.Module:
    """The actor of a policy, without its critic; UsageError for one that is not played."""
    if hasattr(policy, "lstm_actor"):
        raise UsageError(f"{type(policy).__name__}: {RECURRENT}")
    if not hasattr(policy.action_space, "n"):
        raise UsageError(f"{type(policy).__name__}: {CONTINUOUS}")
    return Actor(policy)


def _said_to_extractor(policy: Any) -> dict[str, Any]:
    """What a features extractor is given: frames that its policy divides before, unless told not
    to."""
    said = _said_by_space(policy)
    divided = policy.normalize_images and policy.observation_space.dtype == np.uint8
    return said | ({"scale": "unit"} if divided else {})


def _said_by_space(network: Any) -> dict[str, Any]:
    """The frames and their scale, by the observation space: a network of Stable-Baselines3 takes
    what the environment gives, and divides inside. Grey is as its own environments make it."""
    space = network.observation_space
    shape, high = getattr(space, "shape", None) or (), np.max(getattr(space, "high", 0))
    if len(shape) != 3 or high not in (1.0, PIXEL_MAX):
        raise UsageError(
            f"the network of Stable-Baselines3 sees {' '.join(str(space).split())[:200]}, no "
            "stacked frames 0..255 or 0..1: train one on those (CnnPolicy, VecFrameStack), or pass "
            "a module that gives action values of them"
        )
    frames, height, width = map(int, shape)
    scale = "pixels" if high == PIXEL_MAX else "unit"
    size = {"frames": frames, "height": height, "width": width}
    return {**size, "scale": scale, "grey": "pooled"}
