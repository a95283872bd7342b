"""A training's network: as it begins, and as it is played."""

from __future__ import annotations

import copy

import torch
from torch import nn

from sap_rl.networks import NETWORKS
from sap_rl.networks.quantile import fold_quantiles, quantile_network
from sap_rl.seeds import stream_seed
from sap_rl.training.dqn.settings import TrainSettings


def fresh_network(num_actions: int, seed: int, settings: TrainSettings) -> nn.Sequential:
    """The network of the settings, with torch's initial weights drawn from the run's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "train-init"))
        if settings.network == "quantile":
            return quantile_network(num_actions, num_quantiles=settings.num_quantiles)
        return NETWORKS[settings.network](num_actions)


def playable(network: nn.Module, settings: TrainSettings) -> nn.Module:
    """A copy in float32 whose outputs are action values [B, A]: a quantile network folds."""
    if settings.network == "quantile":
        assert isinstance(network, nn.Sequential)
        module: nn.Module = fold_quantiles(network)
    else:
        module = copy.deepcopy(network)
    for parameter in module.parameters():
        parameter.data = parameter.data.contiguous().cpu()
    return module.eval()
