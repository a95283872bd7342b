"""Attacks on frames: `ATTACKS` maps a name to a factory of pure functions.

`ATTACKS["pgd"](steps=10, objective="margin")` gives an `Attack`: (q, obs, threat, *, generator,
label) -> obs. Options that an attack has no use for are not accepted.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch

from sap_rl.atari.pixels import lam_to_eps
from sap_rl.attacks.noise import noise
from sap_rl.attacks.objectives import OBJECTIVES, Objective, cross_entropy
from sap_rl.attacks.pgd import Steps, pgd
from sap_rl.attacks.threat import Threat
from sap_rl.errors import UsageError, require_positive, unknown
from sap_rl.types import Actions, Attack, QFunction, UnitFrames


def untouched(
    q: QFunction,
    obs: UnitFrames,
    threat: Threat,
    *,
    generator: torch.Generator,
    label: Actions | None = None,
) -> UnitFrames:
    """The frames as they are."""
    return obs


def make_none() -> Attack:
    """No attack: what passes through an adversary unharmed."""
    return untouched


def make_noise() -> Attack:
    """Random sign noise of the full budget."""
    return noise


def make_fgsm(
    *, objective: str = "cross-entropy", temperature: float = 1.0, grad_samples: int = 1
) -> Attack:
    """The fast gradient sign method (Goodfellow et al. 2015, arXiv 1412.6572): PGD of one step."""
    return make_pgd(
        steps=1,
        random_start=False,
        objective=objective,
        temperature=temperature,
        grad_samples=grad_samples,
    )


def make_pgd(
    *,
    steps: int = 10,
    step_size: float | None = None,
    momentum: float = 0.0,
    random_start: bool = True,
    restarts: int = 1,
    objective: str = "cross-entropy",
    temperature: float = 1.0,
    grad_samples: int = 1,
) -> Attack:
    """Projected gradient ascent; step_size in pixels, None for min(lam, 2.5 lam / steps).

    momentum: decay of the accumulated gradient (MI-FGSM), 0 for none. restarts: runs of which each
    example keeps the best; more than one needs a random start.
    """
    for name, value in (("steps", steps), ("restarts", restarts), ("grad_samples", grad_samples)):
        require_positive(name, value)
    if step_size is not None and not (math.isfinite(step_size) and step_size > 0):
        raise UsageError(f"step_size must be a positive number, got {step_size}")
    if not (math.isfinite(momentum) and momentum >= 0):
        raise UsageError(f"momentum must be a number of at least 0, got {momentum}")
    if restarts > 1 and not random_start:
        raise UsageError(f"{restarts} restarts without a random start would all end alike")
    size = None if step_size is None else lam_to_eps(step_size)
    climb = Steps(steps, size, float(momentum), random_start, restarts)
    chosen = make_objective(objective, temperature=temperature)
    return cast(Attack, partial(pgd, steps=climb, objective=chosen, grad_samples=grad_samples))


def make_objective(name: str, *, temperature: float = 1.0) -> Objective:
    """The objective of that name; only cross-entropy has a temperature."""
    if name not in OBJECTIVES:
        raise unknown("objective", name, OBJECTIVES)
    if not (math.isfinite(temperature) and temperature > 0):
        raise UsageError(f"temperature must be a positive number, got {temperature}")
    if temperature == 1.0:
        return OBJECTIVES[name]
    if name != "cross-entropy":
        raise UsageError(f"objective '{name}' has no temperature (got {temperature:g})")
    return partial(cross_entropy, temperature=temperature)


ATTACKS: dict[str, Callable[..., Attack]] = {
    "none": make_none,
    "noise": make_noise,
    "fgsm": make_fgsm,
    "pgd": make_pgd,
}
"""Name -> factory of an attack from its options."""


def make_attack(name: str, **options: Any) -> Attack:
    """The attack of that name; UsageError for an unknown name or an option it does not take."""
    taken = attack_options(name)
    for option in options:
        if option not in taken:
            known = ", ".join(sorted(taken)) or "none"
            raise UsageError(f"attack '{name}' has no option '{option}'; it takes: {known}")
    return ATTACKS[name](**options)


def attack_options(name: str) -> frozenset[str]:
    """The names of the options that the attack takes; UsageError for an unknown name."""
    if name not in ATTACKS:
        raise unknown("attack", name, ATTACKS)
    return frozenset(inspect.signature(ATTACKS[name]).parameters)
