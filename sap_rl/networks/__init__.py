"""Builds Q-networks, and finds and reads the checkpoints that hold their weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from sap_rl.registry import Registry

if TYPE_CHECKING:  # a format's name is asked for where no network is made
    from torch import nn

NETWORKS: Registry[Callable[..., nn.Sequential]] = Registry(
    {
        "nature": "sap_rl.networks.nature:nature_network",
        "dueling": "sap_rl.networks.dueling:dueling_network",
        "categorical": "sap_rl.networks.categorical:categorical_network",
    }
)
"""(num_actions, *, frames, size) -> a Q-network in torch's initial state, by its name on cards."""

Precision = Literal["float32", "bfloat16"]
"""In which a network computes while it plays."""
Scores = Literal["values", "logits"]
"""What a network gives for each action: of a Q-network what it is worth, of an actor the logarithm
of its chance, up to a constant."""
NUM_QUANTILES = 32
"""Per action of a quantile network; Dabney et al. have 200, a last layer six times as large."""
