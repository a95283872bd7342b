"""Projected gradient ascent in the L-infinity ball; one step of it is FGSM."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sap_rl.attacks.gradients import input_gradient, mean_values
from sap_rl.attacks.objectives import Objective, cross_entropy
from sap_rl.attacks.threat import Threat
from sap_rl.types import Actions, QFunction, UnitFrames


@dataclass(frozen=True)
class Steps:
    """How to climb: `count` steps of `size` (unit scale; None for min(eps, 2.5 eps / count))."""

    count: int = 1
    size: float | None = None
    momentum: float = 0.0
    random_start: bool = False
    restarts: int = 1

    def size_within(self, eps: float) -> float:
        """The step in unit scale."""
        return min(eps, 2.5 * eps / self.count) if self.size is None else self.size


def pgd(
    q: QFunction,
    obs: UnitFrames,
    threat: Threat,
    *,
    generator: torch.Generator,
    label: Actions | None = None,
    steps: Steps,
    objective: Objective = cross_entropy,
    grad_samples: int = 1,
) -> UnitFrames:
    """Signed gradient steps up the objective, projected on the threat after each.

    Madry et al. 2018 (arXiv 1706.06083); with momentum Dong et al. 2018 (arXiv 1710.06081). Among
    restarts each example keeps the end point whose objective, over fresh passes, is largest. Runs
    that start at random take their label from a look at the clean frames first.
    """
    if label is None and steps.random_start:
        label = mean_values(q, obs, samples=grad_samples).argmax(1)
    best, best_value = obs, torch.full((len(obs),), -torch.inf, device=obs.device)
    for _ in range(steps.restarts):
        end, label = _climb(q, obs, threat, generator, label, steps, objective, grad_samples)
        if steps.restarts == 1:
            return end
        value = objective(mean_values(q, end, samples=grad_samples), label)
        better = value > best_value
        best = torch.where(better.view(-1, *(1,) * (obs.ndim - 1)), end, best)
        best_value = torch.where(better, value, best_value)
    return best


def _climb(
    q: QFunction,
    obs: UnitFrames,
    threat: Threat,
    generator: torch.Generator,
    label: Actions | None,
    steps: Steps,
    objective: Objective,
    grad_samples: int,
) -> tuple[UnitFrames, Actions]:
    adv, velocity = obs, torch.zeros_like(obs)
    if steps.random_start:
        uniform = torch.rand(obs.shape, generator=generator, device=obs.device, dtype=obs.dtype)
        adv = threat.project(obs + threat.eps * (2 * uniform - 1), obs)
    size = steps.size_within(threat.eps)
    for _ in range(steps.count):
        gradient, label = input_gradient(q, adv, label, objective, grad_samples=grad_samples)
        if steps.momentum:
            velocity = steps.momentum * velocity + _per_mean(gradient)
            gradient = velocity
        adv = threat.project(adv + size * gradient.sign(), obs)
    assert label is not None
    return adv.detach(), label


def _per_mean(gradient: Tensor) -> Tensor:
    """The gradient over its mean absolute value per example; a zero gradient stays zero."""
    scale = gradient.abs().mean(dim=tuple(range(1, gradient.ndim)), keepdim=True)
    return gradient / torch.where(scale > 0, scale, 1.0)
