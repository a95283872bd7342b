"""One pattern for a whole game, fitted on recorded frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import torch
from torch import Tensor

from sap_rl.attacks.factory import AttackFactory, Trial
from sap_rl.attacks.gradients import input_gradient, reference
from sap_rl.attacks.noise import random_signs
from sap_rl.attacks.objectives import Objective, make_objective, margin
from sap_rl.attacks.options import (
    GradSamples,
    Momentum,
    ObjectiveName,
    StepSize,
    Temperature,
    checked_momentum,
    require_counts,
    unit_size,
)
from sap_rl.attacks.pgd import Steps
from sap_rl.attacks.threat import Threat
from sap_rl.errors import UsageError
from sap_rl.schema import Option
from sap_rl.types import Actions, QFunction, UnitFrames

BATCH = 64
"""Recorded frames per step of the fit."""


@dataclass(frozen=True)
class Universal:
    """Adds one pattern [K, H, W] to every observation (Moosavi-Dezfooli et al. 2017, arXiv
    1610.08401), fitted by signed steps on the mean gradient (Shafahi et al. 2020, arXiv
    1811.11304).

    steps: of the fit. pattern: within +-eps of the threat it was fitted for; without one, every
    call fits the pattern to the very frames it is given, and no game sees one pattern.
    """

    steps: Steps
    objective: Objective = margin
    grad_samples: int = 1
    pattern: Tensor | None = None

    def __call__(
        self,
        q: QFunction,
        obs: UnitFrames,
        threat: Threat,
        /,
        *,
        generator: torch.Generator,
        label: Actions | None = None,
    ) -> UnitFrames:
        """The frames with the pattern on them; a fitted one never asks q."""
        fitted = self
        if self.pattern is None:
            fitted = self._fit(q, obs, threat, generator, label)
        assert fitted.pattern is not None
        return threat.project(obs + fitted.pattern.to(obs.device), obs)

    def fit(
        self, q: QFunction, frames: UnitFrames, threat: Threat, generator: torch.Generator
    ) -> Universal:
        """The same attack with its pattern, raised on recorded unit frames [N, K, H, W].

        Each step takes the next BATCH frames in random order. UsageError for no frames.
        """
        if not len(frames):
            raise UsageError("a universal pattern needs recorded frames to be fitted on, got 0")
        return self._fit(q, frames, threat, generator, None)

    def _fit(
        self,
        q: QFunction,
        frames: UnitFrames,
        threat: Threat,
        generator: torch.Generator,
        label: Actions | None,
    ) -> Universal:
        aim = reference(q, frames, label, self.objective, samples=self.grad_samples)
        # Signs, not zeros: an objective may be flat on the clean frames.
        pattern = threat.eps / 2 * random_signs(frames[0], generator)
        velocity = torch.zeros_like(pattern)
        order: list[int] = []
        for _ in range(self.steps.count):
            if not order:
                draw = torch.randperm(len(frames), generator=generator, device=frames.device)
                order = draw.tolist()
            batch, order = order[:BATCH], order[BATCH:]
            seen = frames[batch]
            slope, _ = input_gradient(
                q,
                threat.project(seen + pattern, seen),
                aim[batch],
                self.objective,
                grad_samples=self.grad_samples,
            )
            velocity = self.steps.momentum * velocity + slope.mean(0)
            step = self.steps.size_within(threat.eps) * velocity.sign()
            pattern = (pattern + step).clamp(-threat.eps, threat.eps)
        return replace(self, pattern=pattern)


def make_universal(
    *,
    steps: Annotated[int, Option("of the pattern's fit", unit="steps")] = 40,
    step_size: StepSize = None,
    momentum: Momentum = 0.9,
    objective: ObjectiveName = "margin",
    temperature: Temperature = 1.0,
    grad_samples: GradSamples = 1,
) -> Universal:
    """One pattern for a whole game (Moosavi-Dezfooli et al. 2017, arXiv 1610.08401)."""
    require_counts(steps=steps, grad_samples=grad_samples)
    climb = Steps(steps, unit_size(step_size), checked_momentum(momentum))
    chosen = make_objective(objective, temperature=temperature)
    return Universal(climb, chosen, grad_samples)


UNIVERSAL = AttackFactory(
    make_universal,
    needs="gradient",
    needs_frames=True,
    trials=(Trial("margin", victim="original"),),
)
