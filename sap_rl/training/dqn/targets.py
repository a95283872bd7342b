"""What a Q-network is trained towards: one equation, one function, one signature."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from sap_rl.training.names import Target
from sap_rl.types import Actions, ChosenQuantiles, PerExample, Quantiles, QValues

Outputs = QValues | Quantiles
"""A network's: action values [B, A], or quantiles of the return [B, A, N]."""
Estimates = PerExample | ChosenQuantiles
"""The same for one action per example: [B] or [B, N]."""
TargetRule = Callable[[PerExample, PerExample, Outputs, Outputs], Estimates]
"""(reward_t, discount_t, q_t_value, q_t_selector) -> target [B], or [B, N] for quantiles.

reward_t [B]: n-step sum of rewards; discount_t [B]: gamma^n, 0 where the bootstrap ends; q_t_value:
the target network's outputs for obs_t; q_t_selector: the online network's.
"""
Loss = Callable[[Outputs, Actions, Estimates], Tensor]
"""(q_tm1, action_tm1, target) -> mean loss, a scalar; no gradient to the target."""


def action_values(outputs: Outputs) -> QValues:
    """[B, A]: a quantile network's values are its quantiles' means."""
    return outputs if outputs.ndim == 2 else outputs.mean(2)


def take(outputs: Outputs, action: Actions) -> Estimates:
    """The outputs of one action per example."""
    index = action.view(-1, 1, *[1] * (outputs.ndim - 2)).expand(-1, 1, *outputs.shape[2:])
    return outputs.gather(1, index).squeeze(1)


def q_target(
    reward_t: PerExample, discount_t: PerExample, q_t_value: Outputs, q_t_selector: Outputs
) -> Estimates:
    """DQN: the target network values its own best action (Mnih et al. 2015, algorithm 1)."""
    best = action_values(q_t_value).argmax(1)
    return _bootstrap(reward_t, discount_t, take(q_t_value, best))


def double_q_target(
    reward_t: PerExample, discount_t: PerExample, q_t_value: Outputs, q_t_selector: Outputs
) -> Estimates:
    """Double DQN: it values the online network's best action (van Hasselt et al. 2016, eq. 4)."""
    best = action_values(q_t_selector).argmax(1)
    return _bootstrap(reward_t, discount_t, take(q_t_value, best))


def _bootstrap(reward_t: PerExample, discount_t: PerExample, value: Estimates) -> Estimates:
    if value.ndim == 2:
        reward_t, discount_t = reward_t.unsqueeze(1), discount_t.unsqueeze(1)
    return reward_t + discount_t * value


TARGETS: dict[Target, TargetRule] = {"dqn": q_target, "double": double_q_target}


def huber_loss(q_tm1: QValues, action_tm1: Actions, target: PerExample) -> Tensor:
    """Huber loss (threshold 1) of the chosen actions' values; target [B]."""
    return F.huber_loss(take(q_tm1, action_tm1), target.detach())


def quantile_huber_loss(q_tm1: Quantiles, action_tm1: Actions, target: ChosenQuantiles) -> Tensor:
    """Quantile regression towards every target quantile (Dabney et al. 2018, eq. 10, kappa 1).

    target [B, N]; the sum over the network's quantiles of the mean over the target's.
    """
    found = take(q_tm1, action_tm1)
    count = found.shape[1]
    levels = (torch.arange(count, device=found.device) + 0.5) / count
    error = target.detach().unsqueeze(1) - found.unsqueeze(2)  # [B, N found, N target]
    huber = F.huber_loss(error, torch.zeros_like(error), reduction="none")
    weight = (levels.view(1, -1, 1) - (error.detach() < 0).to(huber.dtype)).abs()
    return (weight * huber).mean(2).sum(1).mean()
