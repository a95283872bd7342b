"""Projected gradient ascent in the L-infinity ball; one step of it is FGSM."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from sap_rl.attacks.gradients import input_gradient, mean_objective, reference
from sap_rl.attacks.noise import uniform_start
from sap_rl.attacks.objectives import FromClean, Objective, cross_entropy
from sap_rl.attacks.threat import Threat
from sap_rl.types import QFunction, Reference, UnitFrames


@dataclass(frozen=True)
class Steps:
    """How to climb: `count` steps of `size` (unit scale; None for min(eps, 2.5 eps / count)).

    momentum: decay of the accumulated gradient, 0 for none; restarts: runs of which each example
    keeps the best.
    """

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
    label: Reference | None = None,
    steps: Steps,
    objective: Objective = cross_entropy,
    grad_samples: int = 1,
) -> UnitFrames:
    """Signed gradient steps up the objective, projected on the threat after each.

    label: also whatever else the objective is taken at, such as another network's values.
    Madry et al. 2018 (arXiv 1706.06083); with momentum Dong et al. 2018 (arXiv 1710.06081). Among
    restarts each example keeps the end point whose objective, over fresh passes, is largest. Runs
    that start at random take their label from a look at the clean frames first.
    """
    aim: Reference | None = label
    if isinstance(objective, FromClean) or (label is None and steps.random_start):
        aim = reference(q, obs, label, objective, samples=grad_samples)
    gradient = partial(input_gradient, q, objective=objective, grad_samples=grad_samples)
    best, best_value = obs, torch.full((len(obs),), -torch.inf, device=obs.device)
    for _ in range(steps.restarts):
        adv = uniform_start(obs, threat, generator) if steps.random_start else obs
        velocity: UnitFrames | None = None
        for _ in range(steps.count):
            upward, aim = gradient(adv, aim)
            if steps.momentum:
                unit = per_mean(upward)
                upward = velocity = unit if velocity is None else steps.momentum * velocity + unit
            moved = torch.add(adv, upward.sign(), alpha=steps.size_within(threat.eps))
            adv = threat.project(moved, obs)
        if steps.restarts == 1:
            return adv
        assert aim is not None
        value = mean_objective(q, adv, aim, objective, samples=grad_samples)
        better = value > best_value
        best = torch.where(better[:, None, None, None], adv, best)
        best_value = torch.where(better, value, best_value)
    return best


def per_mean(gradient: UnitFrames) -> UnitFrames:
    """The gradient over its mean absolute value per example; a zero gradient stays zero."""
    scale = gradient.abs().mean(dim=(1, 2, 3), keepdim=True)
    return gradient / torch.where(scale > 0, scale, 1.0)
