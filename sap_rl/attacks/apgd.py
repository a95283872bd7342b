"""Auto-PGD: projected ascent that halves its step where it stops paying."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, cast

import torch
from torch import Tensor

from sap_rl.attacks.factory import AttackFactory, Trial
from sap_rl.attacks.gradients import reference, value_and_gradient
from sap_rl.attacks.objectives import Objective, cross_entropy, make_objective
from sap_rl.attacks.options import (
    GradSamples,
    ObjectiveName,
    Restarts,
    StepCount,
    Temperature,
    require_counts,
)
from sap_rl.attacks.threat import Threat
from sap_rl.errors import UsageError
from sap_rl.schema import Option
from sap_rl.types import Actions, Attack, PerExample, QFunction, UnitFrames

INERTIA = 0.75
"""Weight of the new step against the one before (alpha in the paper)."""


@dataclass(frozen=True)
class Course:
    """How to climb.

    steps: gradient steps per run; restarts: runs of which each example keeps the best; rho: share
    of steps that must rise before a checkpoint, or the step is halved.
    """

    steps: int = 10
    restarts: int = 1
    rho: float = 0.75

    def checkpoints(self) -> list[int]:
        """Steps after which step sizes are judged: 22% of all, then ever closer, at least 6%."""
        period, least = max(int(0.22 * self.steps), 1), max(int(0.06 * self.steps), 1)
        shorter = max(int(0.03 * self.steps), 1)
        found, at = [], period
        while at <= self.steps:
            found.append(at)
            period = max(period - shorter, least)
            at += period
        return found


def apgd(
    q: QFunction,
    obs: UnitFrames,
    threat: Threat,
    *,
    generator: torch.Generator,
    label: Actions | None = None,
    course: Course,
    objective: Objective = cross_entropy,
    grad_samples: int = 1,
) -> UnitFrames:
    """The best point that steps from 2 eps down, with inertia, find from random starts.

    Croce & Hein 2020 (arXiv 2003.01690), algorithm 1; with grad_samples as AutoAttack's `rand`
    version. steps + 1 gradients per run, and a look at the clean frames for the label.
    """
    aim = reference(q, obs, label, objective, samples=grad_samples)
    best, best_value = obs, torch.full((len(obs),), -torch.inf, device=obs.device)
    for _ in range(course.restarts):
        run = _Run(_far_start(obs, threat, generator), 2 * threat.eps)
        run.see(*value_and_gradient(q, run.adv, aim, objective, grad_samples=grad_samples)[:2])
        since, checkpoints = 0, course.checkpoints()
        for step in range(1, course.steps + 1):
            run.move(obs, threat, inertia=INERTIA if step > 1 else 1.0)
            run.see(*value_and_gradient(q, run.adv, aim, objective, grad_samples=grad_samples)[:2])
            if step in checkpoints:
                run.judge(course.rho * (step - since))
                since = step
        better = run.best_value > best_value
        best = torch.where(_per_frame(better), run.best, best)
        best_value = torch.where(better, run.best_value, best_value)
    return best


@dataclass
class _Run:
    """One climb of a batch: where it is, the best it saw, and how well it rises."""

    adv: Tensor
    first_step: float
    before: Tensor = field(init=False)
    size: Tensor = field(init=False)
    halved: Tensor = field(init=False)

    def __post_init__(self) -> None:
        rows = len(self.adv)
        self.before, self.best, self.gradient = self.adv, self.adv, torch.zeros_like(self.adv)
        self.best_gradient = self.gradient
        self.size = torch.full((rows, 1, 1, 1), self.first_step, device=self.adv.device)
        never = torch.full((rows,), -torch.inf, device=self.adv.device)
        self.value, self.best_value, self.best_at_checkpoint = never, never, never
        self.rises = torch.zeros(rows, device=self.adv.device)
        self.halved = torch.ones(rows, dtype=torch.bool, device=self.adv.device)

    def see(self, value: PerExample, gradient: UnitFrames) -> None:
        """Take note of the objective and its gradient where the run is now."""
        started = bool(torch.isfinite(self.value).any())
        self.rises += value > self.value if started else 0
        better = value > self.best_value
        self.best = torch.where(_per_frame(better), self.adv, self.best)
        self.best_gradient = torch.where(_per_frame(better), gradient, self.best_gradient)
        self.best_value = torch.where(better, value, self.best_value)
        self.value, self.gradient = value, gradient
        if not started:
            self.best_at_checkpoint = self.best_value

    def move(self, obs: UnitFrames, threat: Threat, *, inertia: float) -> None:
        """A projected step, bent towards the direction of the last one."""
        last = self.adv - self.before
        self.before = self.adv
        there = threat.project(self.adv + self.size * self.gradient.sign(), obs)
        bent = self.adv + (there - self.adv) * inertia + last * (1 - inertia)
        self.adv = threat.project(bent, obs)

    def judge(self, enough: float) -> None:
        """Halve the step, from the best point, where too few steps rose or nothing was gained."""
        stuck = ~self.halved & (self.best_at_checkpoint >= self.best_value)
        self.halved = (self.rises <= enough) | stuck
        self.best_at_checkpoint = self.best_value
        self.size = torch.where(_per_frame(self.halved), self.size / 2, self.size)
        self.adv = torch.where(_per_frame(self.halved), self.best, self.adv)
        self.gradient = torch.where(_per_frame(self.halved), self.best_gradient, self.gradient)
        self.rises = torch.zeros_like(self.rises)


def _far_start(obs: UnitFrames, threat: Threat, generator: torch.Generator) -> UnitFrames:
    """Uniform directions, scaled so that the farthest pixel uses the full budget."""
    draws = torch.rand(obs.shape, generator=generator, device=obs.device, dtype=obs.dtype)
    direction = 2 * draws - 1
    farthest = direction.abs().amax(dim=(1, 2, 3), keepdim=True)
    return threat.project(obs + threat.eps * direction / farthest, obs)


def _per_frame(flags: Tensor) -> Tensor:
    """[B] -> [B, 1, 1, 1]."""
    return flags[:, None, None, None]


def make_apgd(
    *,
    steps: StepCount = 10,
    restarts: Restarts = 1,
    rho: Annotated[float, Option("share of steps that must rise to keep the step's size")] = 0.75,
    objective: ObjectiveName = "cross-entropy",
    temperature: Temperature = 1.0,
    grad_samples: GradSamples = 1,
) -> Attack:
    """Auto-PGD (Croce & Hein 2020, arXiv 2003.01690): no step size to choose."""
    require_counts(steps=steps, restarts=restarts, grad_samples=grad_samples)
    if not 0 < rho < 1:
        raise UsageError(f"rho must lie between 0 and 1, got {rho}")
    chosen = make_objective(objective, temperature=temperature)
    course = Course(steps, restarts, rho)
    return cast(Attack, partial(apgd, course=course, objective=chosen, grad_samples=grad_samples))


APGD = AttackFactory(
    make_apgd,
    needs="gradient",
    trials=(Trial("margin", backward="identity"), Trial("margin", victim="original")),
)
