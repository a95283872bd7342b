"""Q-networks and the checkpoints that hold them."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from sap_rl.networks.dueling import dueling_network
from sap_rl.networks.nature import nature_network

NETWORKS: dict[str, Callable[..., nn.Sequential]] = {
    "nature": nature_network,
    "dueling": dueling_network,
}
"""(num_actions, *, frames) -> a Q-network in torch's initial state, by the name agents state."""
