"""SPSA: ascent along a gradient estimated from pairs of queries."""

from __future__ import annotations

from functools import partial
from typing import Annotated, cast

import torch
from torch import Tensor

from sap_rl.attacks.factory import AttackFactory, Trial
from sap_rl.attacks.gradients import mean_objective, reference
from sap_rl.attacks.noise import random_signs
from sap_rl.attacks.objectives import Objective, make_objective, margin
from sap_rl.attacks.options import (
    GradSamples,
    ObjectiveName,
    StepCount,
    StepSize,
    Temperature,
    require_counts,
    require_size,
    require_slope,
    unit_size,
)
from sap_rl.attacks.pgd import Steps
from sap_rl.attacks.threat import Threat
from sap_rl.pixels import lam_to_eps
from sap_rl.schema import Option
from sap_rl.types import Actions, Attack, QFunction, Reference, UnitFrames

DECAYS = (0.9, 0.999)
"""Adam's decay of the mean and of the square."""


def spsa(
    q: QFunction,
    obs: UnitFrames,
    threat: Threat,
    *,
    generator: torch.Generator,
    label: Actions | None = None,
    steps: Steps,
    directions: int,
    probe: float,
    objective: Objective = margin,
    grad_samples: int = 1,
) -> UnitFrames:
    """Adam on estimated gradients, projected on the threat after each step; no gradient of q.

    Spall 1992, as an attack Uesato et al. 2018 (arXiv 1802.05666). Every step asks about
    `directions` pairs obs +- probe * random signs, inside the threat, `grad_samples` passes each.
    probe: unit scale; steps.size: Adam's learning rate. A zero start; restarts are not used.
    """
    aim = reference(q, obs, label, objective, samples=grad_samples)
    adv = obs
    mean, square = torch.zeros_like(obs), torch.zeros_like(obs)
    fast, slow = DECAYS
    for step in range(1, steps.count + 1):
        slope = torch.zeros_like(obs)
        for _ in range(directions):
            slope += _slope(q, adv, obs, threat, aim, objective, probe, generator, grad_samples)
        mean = fast * mean + (1 - fast) * slope
        square = slow * square + (1 - slow) * slope.square()
        scaled = (square / (1 - slow**step)).sqrt()
        rise = mean / (1 - fast**step) / torch.where(scaled > 0, scaled, 1.0)
        adv = threat.project(adv + steps.size_within(threat.eps) * rise, obs)
    return adv


def _slope(
    q: QFunction,
    adv: UnitFrames,
    obs: UnitFrames,
    threat: Threat,
    aim: Reference,
    objective: Objective,
    probe: float,
    generator: torch.Generator,
    samples: int,
) -> Tensor:
    """One pair's estimate: the rise of the objective times the direction that made it.

    At the border of the threat one side of the pair is cut off, which leaves the sign right.
    """
    signs = random_signs(obs, generator)
    ends = [threat.project(adv + side * probe * signs, obs) for side in (1, -1)]
    above, below = (mean_objective(q, end, aim, objective, samples=samples) for end in ends)
    return (above - below)[:, None, None, None] * signs


def make_spsa(
    *,
    steps: StepCount = 10,
    step_size: StepSize = None,
    directions: Annotated[int, Option("asked per step", unit="pairs of queries")] = 16,
    probe: Annotated[float, Option("to each side of a pair of queries", unit="pixels")] = 1.0,
    objective: ObjectiveName = "margin",
    temperature: Temperature = 1.0,
    grad_samples: GradSamples = 1,
) -> Attack:
    """Ascent along estimated gradients (Uesato et al. 2018, arXiv 1802.05666)."""
    require_counts(steps=steps, directions=directions, grad_samples=grad_samples)
    require_size("probe", probe)
    chosen = make_objective(objective, temperature=temperature)
    require_slope("spsa", objective)
    made = partial(
        spsa,
        steps=Steps(steps, unit_size(step_size)),
        directions=directions,
        probe=lam_to_eps(probe),
        objective=chosen,
        grad_samples=grad_samples,
    )
    return cast(Attack, made)


SPSA = AttackFactory(
    make_spsa, needs="values", trials=(Trial("margin", samples=1, options={"steps": 5}),)
)
