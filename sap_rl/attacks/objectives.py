"""What an attacker increases: one function per objective, per example."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from sap_rl.errors import UsageError, unknown
from sap_rl.types import Actions, PerExample, QValues, Reference

Objective = Callable[[Tensor, Tensor], Tensor]
"""(action values [B, A], reference) -> what the attacker increases [B].

The reference is the label [B] of an ordinary objective, and what `FromClean.at` says of others.
"""


@dataclass(frozen=True)
class FromClean:
    """An objective taken at something else than the greedy action.

    at: clean mean action values [B, A] -> reference; value: (action values, reference) -> [B];
    flat_at_clean: its gradient is 0 on the clean frame, so that an attack must start elsewhere.
    """

    at: Callable[[Tensor], Tensor]
    value: Objective
    flat_at_clean: bool = False

    def __call__(self, q: QValues, reference: Reference) -> PerExample:
        found: PerExample = self.value(q, reference)
        return found


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


def lead(q: QValues, target: Actions) -> PerExample:
    """The target's value above the best other's: above 0 where it is chosen."""
    return -margin(q, target)


def lower_q(q: QValues, label: Actions) -> PerExample:
    """The label's value, downwards, whatever the others do."""
    return -q.gather(1, label[:, None]).squeeze(1)


def towards(q: QValues, target: Actions, *, temperature: float = 1.0) -> PerExample:
    """log softmax(Q / temperature) of a target action (Pattanaik et al. 2018, arXiv 1712.03632)."""
    return -cross_entropy(q, target, temperature=temperature)


def divergence(q: QValues, clean: QValues, *, temperature: float = 1.0) -> PerExample:
    """KL(softmax(clean / T) || softmax(Q / T)), how far the policy moved (Zhang et al. 2020, arXiv
    2003.08938, the maximal action difference): 0 and flat where Q is clean."""
    before = F.log_softmax(clean / temperature, 1)
    after = F.log_softmax(q / temperature, 1)
    return (before.exp() * (before - after)).sum(1)


def worst_action(values: QValues) -> Actions:
    """The action that the clean values like least."""
    return values.argmin(1)


def same_values(values: QValues) -> QValues:
    """The clean values themselves."""
    return values


def _worst_action_at(temperature: float) -> Objective:
    return FromClean(worst_action, partial(towards, temperature=temperature))


def _mad_at(temperature: float) -> Objective:
    return FromClean(
        same_values, partial(divergence, temperature=temperature), flat_at_clean=True
    )  # fmt: skip


def _cross_entropy_at(temperature: float) -> Objective:
    return partial(cross_entropy, temperature=temperature)


TEMPERED: dict[str, Callable[[float], Objective]] = {
    "cross-entropy": _cross_entropy_at,
    "worst-action": _worst_action_at,
    "mad": _mad_at,
}
"""Objectives of softmax(Q / temperature), from their temperature."""

OBJECTIVES: dict[str, Objective] = {
    "cross-entropy": cross_entropy,
    "margin": margin,
    "lower-q": lower_q,
    "worst-action": _worst_action_at(1.0),
    "mad": _mad_at(1.0),
}


def make_objective(name: str, *, temperature: float = 1.0) -> Objective:
    """The objective of that name; those of a softmax have a temperature."""
    if name not in OBJECTIVES:
        raise unknown("objective", name, OBJECTIVES)
    if not (math.isfinite(temperature) and temperature > 0):
        raise UsageError(f"temperature must be a positive number, got {temperature}")
    if temperature == 1.0:
        return OBJECTIVES[name]
    if name not in TEMPERED:
        raise UsageError(f"objective '{name}' has no temperature (got {temperature:g})")
    return TEMPERED[name](temperature)


def flat_at_clean(objective: Objective) -> bool:
    """Whether the objective's gradient is 0 on the clean frame."""
    return isinstance(objective, FromClean) and objective.flat_at_clean
