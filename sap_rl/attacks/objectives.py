"""What an attacker increases: one function per objective, per example."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from sap_rl.types import Actions, PerExample, QValues

Objective = Callable[[Tensor, Tensor], Tensor]
"""(action values [B, A], label [B]) -> what the attacker increases [B]."""


def cross_entropy(q: QValues, label: Actions, *, temperature: float = 1.0) -> PerExample:
    """Cross-entropy of softmax(Q / temperature) against the label (the SAP paper's J).

    Saturates where gaps between action values are large against the temperature: gradients
    underflow to 0 there.
    """
    return F.cross_entropy(q / temperature, label, reduction="none")


def margin(q: QValues, label: Actions) -> PerExample:
    """The best other action's value minus the label's (Carlini & Wagner 2017); never saturates."""
    chosen = q.gather(1, label[:, None])
    others = q.scatter(1, label[:, None], -torch.inf)
    return (others.amax(1, keepdim=True) - chosen).squeeze(1)


OBJECTIVES: dict[str, Objective] = {"cross-entropy": cross_entropy, "margin": margin}
