"""Square attack: random search over square patches, no gradient."""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, cast

import torch
from torch import Tensor

from sap_rl.attacks.factory import AttackFactory, Trial
from sap_rl.attacks.gradients import mean_objective, reference
from sap_rl.attacks.noise import random_signs
from sap_rl.attacks.objectives import Objective, make_objective, margin
from sap_rl.attacks.options import GradSamples, ObjectiveName, Temperature, require_counts
from sap_rl.attacks.threat import Threat
from sap_rl.errors import UsageError
from sap_rl.schema import Option
from sap_rl.types import Actions, Attack, QFunction, UnitFrames

SHRINK_AT = (10, 50, 200, 1000, 2000, 4000, 6000, 8000)
"""The patches' area is halved after each of these of 10,000 queries (section 4.1 of the paper)."""


def square(
    q: QFunction,
    obs: UnitFrames,
    threat: Threat,
    *,
    generator: torch.Generator,
    label: Actions | None = None,
    queries: int,
    first_share: float = 0.8,
    objective: Objective = margin,
    grad_samples: int = 1,
) -> UnitFrames:
    """Patches of +-eps, one sign per frame of the stack, kept where the objective rises.

    Andriushchenko et al. 2020 (arXiv 1912.00049), L-infinity: vertical stripes first, then
    `queries` squares whose area falls from `first_share` of the frame. grad_samples: passes
    averaged per query; above 1 the incumbent is asked again beside every candidate, for else a
    lucky draw of a random q would never be beaten.
    """
    aim = reference(q, obs, label, objective, samples=grad_samples)
    best = _stripes(obs, threat, generator)
    value = mean_objective(q, best, aim, objective, samples=grad_samples)
    for query in range(queries):
        side = _side(query, queries, first_share, *obs.shape[2:])
        candidate = _with_patch(best, obs, threat, side, generator)
        found = mean_objective(q, candidate, aim, objective, samples=grad_samples)
        if grad_samples > 1:
            value = mean_objective(q, best, aim, objective, samples=grad_samples)
        better = found > value
        best = torch.where(better[:, None, None, None], candidate, best)
        value = torch.where(better, found, value)
    return best


def _stripes(obs: UnitFrames, threat: Threat, generator: torch.Generator) -> UnitFrames:
    """One random sign per column of every frame."""
    columns = random_signs(obs[:, :, :1], generator)
    return threat.project(obs + threat.eps * columns, obs)


def _with_patch(
    adv: UnitFrames, obs: UnitFrames, threat: Threat, side: int, generator: torch.Generator
) -> UnitFrames:
    """A square of its own in every example, each frame of it by +eps or -eps from clean."""
    rows, frames, height, width = obs.shape
    device = obs.device
    top = _places(rows, height - side + 1, generator, device)
    left = _places(rows, width - side + 1, generator, device)
    down, across = torch.arange(height, device=device), torch.arange(width, device=device)
    inside = ((down >= top) & (down < top + side))[:, None, :, None] & (
        (across >= left) & (across < left + side)
    )[:, None, None, :]
    signs = random_signs(obs.new_empty(rows, frames, 1, 1), generator)
    return torch.where(inside, threat.project(obs + threat.eps * signs, obs), adv)


def _places(rows: int, choices: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """A random first row or column [B, 1] per example."""
    return torch.randint(choices, (rows, 1), generator=generator, device=device)


def _side(query: int, queries: int, first_share: float, height: int, width: int) -> int:
    """The patches' side at this query, 1 at least."""
    at = query / queries * 10_000
    halvings = sum(at > mark for mark in SHRINK_AT)
    share = first_share * 0.5**halvings
    return max(1, min(round(math.sqrt(share * height * width)), height, width))


def make_square(
    *,
    steps: Annotated[int, Option("of the search, one patch each", unit="queries")] = 100,
    first_share: Annotated[float, Option("of the frame, the first patch's area")] = 0.8,
    objective: ObjectiveName = "margin",
    temperature: Temperature = 1.0,
    grad_samples: GradSamples = 1,
) -> Attack:
    """Random search over square patches (Andriushchenko et al. 2020, arXiv 1912.00049)."""
    require_counts(steps=steps, grad_samples=grad_samples)
    if not 0 < first_share <= 1:
        raise UsageError(f"first_share must lie above 0 and be at most 1, got {first_share}")
    chosen = make_objective(objective, temperature=temperature)
    made = partial(
        square,
        queries=steps,
        first_share=first_share,
        objective=chosen,
        grad_samples=grad_samples,
    )
    return cast(Attack, made)


SQUARE = AttackFactory(
    make_square, needs="values", trials=(Trial("margin", options={"steps": 50}, part="search"),)
)
