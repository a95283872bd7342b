"""A quantile head for training that folds into a plain Nature network."""

from __future__ import annotations

import torch
from torch import nn

from sap_rl.errors import require_positive
from sap_rl.networks import NUM_QUANTILES
from sap_rl.networks.nature import HIDDEN, nature_network


def quantile_network(
    num_actions: int, *, frames: int = 4, num_quantiles: int = NUM_QUANTILES
) -> nn.Sequential:
    """Unit frames [B, frames, 84, 84] -> quantiles of the return [B, num_actions, num_quantiles].

    The Nature network with a wider last layer (QR-DQN, Dabney et al. 2018, arXiv 1710.10044).
    """
    require_positive("num_quantiles", num_quantiles)
    network = nature_network(num_actions, frames=frames)
    network.q = nn.Linear(HIDDEN, num_actions * num_quantiles)
    network.add_module("unflatten", nn.Unflatten(1, (num_actions, num_quantiles)))
    return network


@torch.no_grad()
def fold_quantiles(network: nn.Sequential) -> nn.Sequential:
    """The Nature network whose action values are the quantiles' means: a linear layer's mean.

    Equal values and input gradients; shares nothing with `network`.
    """
    num_actions, num_quantiles = network.unflatten.unflattened_size  # type: ignore[union-attr, misc]
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    for name in ("q.weight", "q.bias"):
        rows = weights[name].unflatten(0, (num_actions, num_quantiles))
        weights[name] = rows.double().mean(1).to(rows.dtype)
    folded = nature_network(num_actions, frames=weights["conv1.weight"].shape[1])
    folded.load_state_dict(weights, assign=True)
    return folded
