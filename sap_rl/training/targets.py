"""What a Q-network is trained towards: one equation, one function, one signature."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from sap_rl.types import PerExample, QValues

Target = Callable[[PerExample, PerExample, QValues, QValues], Tensor]
"""(reward_t, discount_t, q_t_value, q_t_selector) -> target [B].

reward_t [B]: n-step sum of rewards; discount_t [B]: gamma^n, 0 where the bootstrap ends; q_t_value
[B, A]: the target network's values of obs_t; q_t_selector [B, A]: the online network's.
"""


def q_target(
    reward_t: PerExample, discount_t: PerExample, q_t_value: QValues, q_t_selector: QValues
) -> PerExample:
    """DQN: the target network values its own best action (Mnih et al. 2015, algorithm 1)."""
    return reward_t + discount_t * q_t_value.amax(1)


def double_q_target(
    reward_t: PerExample, discount_t: PerExample, q_t_value: QValues, q_t_selector: QValues
) -> PerExample:
    """Double DQN: it values the online network's best action (van Hasselt et al. 2016, eq. 4)."""
    best = q_t_selector.argmax(1, keepdim=True)
    return reward_t + discount_t * q_t_value.gather(1, best).squeeze(1)


TARGETS: dict[str, Target] = {"dqn": q_target, "double": double_q_target}


def huber_loss(q_tm1: QValues, action_tm1: Tensor, target: PerExample) -> Tensor:
    """Mean Huber loss (threshold 1) of the chosen actions' values; no gradient to the target.

    q_tm1 [B, A]; action_tm1 [B] int64; target [B]. Scalar.
    """
    chosen = q_tm1.gather(1, action_tm1.unsqueeze(1)).squeeze(1)
    return F.huber_loss(chosen, target.detach())
