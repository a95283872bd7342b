"""Q-networks and the checkpoints that hold them."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from sap_rl.networks.categorical import categorical_network
from sap_rl.networks.dueling import dueling_network
from sap_rl.networks.nature import nature_network

NETWORKS: dict[str, Callable[..., nn.Sequential]] = {
    "nature": nature_network,
    "dueling": dueling_network,
    "categorical": categorical_network,
}
"""(num_actions, *, frames, size) -> a Q-network in torch's initial state, by its name on cards."""
