"""Projected gradient ascent in the threat's ball; one step of it is FGSM."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, cast

import torch

from sap_rl.attacks.factory import NORMS, AttackFactory, Trial
from sap_rl.attacks.gradients import input_gradient, mean_objective, reference
from sap_rl.attacks.objectives import FromClean, Objective, cross_entropy, make_objective
from sap_rl.attacks.options import (
    GradSamples,
    Momentum,
    ObjectiveName,
    Restarts,
    StepCount,
    StepSize,
    Temperature,
    checked_momentum,
    require_counts,
    require_slope,
    unit_size,
)
from sap_rl.attacks.threat import Threat
from sap_rl.errors import UsageError
from sap_rl.schema import Option
from sap_rl.types import Attack, QFunction, Reference, UnitFrames


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
    """Steps up the objective, steepest in the threat's norm, projected on the threat after each.

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
        adv = threat.random_point(obs, generator) if steps.random_start else obs
        velocity: UnitFrames | None = None
        for _ in range(steps.count):
            upward, aim = gradient(adv, aim)
            if steps.momentum:
                unit = per_mean(upward)
                upward = velocity = unit if velocity is None else steps.momentum * velocity + unit
            moved = torch.add(adv, threat.steepest(upward), alpha=steps.size_within(threat.eps))
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


def make_fgsm(
    *,
    objective: ObjectiveName = "cross-entropy",
    temperature: Temperature = 1.0,
    grad_samples: GradSamples = 1,
) -> Attack:
    """The fast gradient sign method (Goodfellow et al. 2015, arXiv 1412.6572): PGD of one step.

    In the l2 ball the step goes along the gradient itself (Miyato et al. 2017, arXiv 1605.07725).
    """
    make_objective(objective, temperature=temperature)
    require_slope("fgsm", objective)
    return make_pgd(
        steps=1,
        random_start=False,
        objective=objective,
        temperature=temperature,
        grad_samples=grad_samples,
    )


def make_pgd(
    *,
    steps: StepCount = 10,
    step_size: StepSize = None,
    momentum: Momentum = 0.0,
    random_start: Annotated[bool, Option("begin anywhere in the budget, not at the frame")] = True,
    restarts: Restarts = 1,
    objective: ObjectiveName = "cross-entropy",
    temperature: Temperature = 1.0,
    grad_samples: GradSamples = 1,
) -> Attack:
    """Projected gradient ascent (Madry et al. 2018, arXiv 1706.06083), MI-FGSM with momentum.

    More than one restart needs a random start.
    """
    require_counts(steps=steps, restarts=restarts, grad_samples=grad_samples)
    climb = Steps(steps, unit_size(step_size), checked_momentum(momentum), random_start, restarts)
    if restarts > 1 and not random_start:
        raise UsageError(f"{restarts} restarts without a random start would all end alike")
    chosen = make_objective(objective, temperature=temperature)
    if not random_start:
        require_slope("pgd", objective)
    return cast(Attack, partial(pgd, steps=climb, objective=chosen, grad_samples=grad_samples))


FGSM = AttackFactory(
    make_fgsm,
    needs="gradient",
    one_step=True,
    norms=NORMS,
    trials=(
        Trial("cross-entropy", backward="mask", place="always", part="paper"),
        Trial("cross-entropy", victim="original", place="always", part="transfer"),
        Trial("cross-entropy", backward="identity"),
        Trial("cross-entropy", backward="full"),
        Trial("margin", backward="mask"),
        Trial("margin", victim="original"),
        Trial("cross-entropy", backward="mask", samples=1, place="probe", part="one pass"),
        Trial("cross-entropy", backward="mask", samples=40, place="probe", part="many passes"),
    ),
)

FEWER = {"steps": 5}
"""Options for a plain network's gradient, which is exact: 5 steps of half the budget."""

PGD = AttackFactory(
    make_pgd,
    needs="gradient",
    norms=NORMS,
    trials=(
        Trial("cross-entropy", backward="mask", part="steps"),
        Trial("cross-entropy", backward="identity"),
        Trial("margin", backward="mask"),
        Trial("margin", backward="identity", part="best"),
        Trial("margin", backward="full"),
        Trial("lower-q", backward="identity"),
        Trial("worst-action", backward="identity"),
        Trial("mad", backward="identity"),
        Trial("margin", backward="identity", options={"momentum": 1.0}),
        Trial("cross-entropy", victim="original", options=FEWER),
        Trial("margin", victim="original", options=FEWER, part="best transfer"),
        Trial("lower-q", victim="original", options=FEWER),
        Trial("worst-action", victim="original", options=FEWER),
        Trial("mad", victim="original", options=FEWER),
        Trial("margin", victim="original", options=FEWER | {"momentum": 1.0}),
        Trial("margin", backward="identity", samples=8, place="probe", part="more passes"),
        Trial("margin", backward="identity", options={"steps": 20}, place="deep"),
        Trial("cross-entropy", backward="identity", options={"steps": 20}, place="deep"),
        Trial("mad", backward="identity", options={"steps": 20}, place="deep"),
        Trial("margin", backward="identity", options={"steps": 20, "restarts": 3}, place="deep"),
        Trial("margin", backward="identity", options={"steps": 100}, place="deep"),
    ),
)
