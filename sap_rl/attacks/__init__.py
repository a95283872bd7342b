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

from sap_rl.attacks.apgd import Course, apgd
from sap_rl.attacks.noise import noise, uniform
from sap_rl.attacks.objectives import OBJECTIVES, flat_at_clean, make_objective
from sap_rl.attacks.pgd import Steps, pgd
from sap_rl.attacks.spsa import spsa
from sap_rl.attacks.square import square
from sap_rl.attacks.threat import Threat
from sap_rl.attacks.universal import Universal
from sap_rl.errors import UsageError, require_positive, unknown
from sap_rl.pixels import lam_to_eps
from sap_rl.types import Actions, Attack, QFunction, UnitFrames
from sap_rl.versions import version


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


@version(1)
def make_none() -> Attack:
    """No attack: what passes through an adversary unharmed."""
    return untouched


@version(1)
def make_noise() -> Attack:
    """Random sign noise of the full budget."""
    return noise


@version(1)
def make_fgsm(
    *, objective: str = "cross-entropy", temperature: float = 1.0, grad_samples: int = 1
) -> Attack:
    """The fast gradient sign method (Goodfellow et al. 2015, arXiv 1412.6572): PGD of one step."""
    make_objective(objective, temperature=temperature)
    _require_slope("fgsm", objective, starts_off=False)
    return make_pgd(
        steps=1,
        random_start=False,
        objective=objective,
        temperature=temperature,
        grad_samples=grad_samples,
    )


@version(1)
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
    _require_counts(steps=steps, restarts=restarts, grad_samples=grad_samples)
    climb = Steps(steps, _unit_size(step_size), _momentum(momentum), random_start, restarts)
    if restarts > 1 and not random_start:
        raise UsageError(f"{restarts} restarts without a random start would all end alike")
    chosen = make_objective(objective, temperature=temperature)
    _require_slope("pgd", objective, starts_off=random_start)
    return cast(Attack, partial(pgd, steps=climb, objective=chosen, grad_samples=grad_samples))


@version(1)
def make_uniform() -> Attack:
    """Noise uniform within the budget."""
    return uniform


@version(1)
def make_apgd(
    *,
    steps: int = 10,
    restarts: int = 1,
    rho: float = 0.75,
    objective: str = "cross-entropy",
    temperature: float = 1.0,
    grad_samples: int = 1,
) -> Attack:
    """Auto-PGD: no step size to choose; rho: share of steps that must rise to keep it."""
    _require_counts(steps=steps, restarts=restarts, grad_samples=grad_samples)
    if not 0 < rho < 1:
        raise UsageError(f"rho must lie between 0 and 1, got {rho}")
    chosen = make_objective(objective, temperature=temperature)
    course = Course(steps, restarts, rho)
    return cast(Attack, partial(apgd, course=course, objective=chosen, grad_samples=grad_samples))


@version(1)
def make_square(
    *,
    steps: int = 100,
    first_share: float = 0.8,
    objective: str = "margin",
    temperature: float = 1.0,
    grad_samples: int = 1,
) -> Attack:
    """Random search over patches; steps: queries; first_share: of the frame, the first patch."""
    _require_counts(steps=steps, grad_samples=grad_samples)
    if not 0 < first_share <= 1:
        raise UsageError(f"first_share must lie above 0 and be at most 1, got {first_share}")
    chosen = make_objective(objective, temperature=temperature)
    return cast(
        Attack,
        partial(
            square,
            queries=steps,
            first_share=first_share,
            objective=chosen,
            grad_samples=grad_samples,
        ),
    )


@version(1)
def make_spsa(
    *,
    steps: int = 10,
    step_size: float | None = None,
    directions: int = 16,
    probe: float = 1.0,
    objective: str = "margin",
    temperature: float = 1.0,
    grad_samples: int = 1,
) -> Attack:
    """Estimated gradients: `directions` pairs of queries per step, `probe` pixels to each side;
    step_size in pixels, None for min(lam, 2.5 lam / steps)."""
    _require_counts(steps=steps, directions=directions, grad_samples=grad_samples)
    _require_size("probe", probe)
    chosen = make_objective(objective, temperature=temperature)
    _require_slope("spsa", objective, starts_off=False)
    return cast(
        Attack,
        partial(
            spsa,
            steps=Steps(steps, _unit_size(step_size)),
            directions=directions,
            probe=lam_to_eps(probe),
            objective=chosen,
            grad_samples=grad_samples,
        ),
    )


@version(1)
def make_universal(
    *,
    steps: int = 40,
    step_size: float | None = None,
    momentum: float = 0.9,
    objective: str = "margin",
    temperature: float = 1.0,
    grad_samples: int = 1,
) -> Universal:
    """One pattern for a whole game: `.fit(q, frames, threat, generator)` it on recorded frames."""
    _require_counts(steps=steps, grad_samples=grad_samples)
    climb = Steps(steps, _unit_size(step_size), _momentum(momentum))
    chosen = make_objective(objective, temperature=temperature)
    return Universal(climb, chosen, grad_samples)


def _require_counts(**counts: int) -> None:
    for name, value in counts.items():
        require_positive(name, value)


def _require_size(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{name} must be a positive number, got {value}")


def _unit_size(step_size: float | None) -> float | None:
    if step_size is None:
        return None
    _require_size("step_size", step_size)
    return lam_to_eps(step_size)


def _momentum(value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"momentum must be a number of at least 0, got {value}")
    return float(value)


def _require_slope(attack: str, objective: str, *, starts_off: bool) -> None:
    """Refuse an objective that is flat where the attack starts."""
    if not starts_off and flat_at_clean(OBJECTIVES[objective]):
        raise UsageError(
            f"objective '{objective}' is flat at the clean frame, where {attack} starts; use pgd "
            "with a random start, apgd, square or universal"
        )


ATTACKS: dict[str, Callable[..., Attack]] = {
    "none": make_none,
    "noise": make_noise,
    "uniform": make_uniform,
    "fgsm": make_fgsm,
    "pgd": make_pgd,
    "apgd": make_apgd,
    "square": make_square,
    "spsa": make_spsa,
    "universal": make_universal,
}
"""Name -> factory of an attack from its options; what `universal` gives can be fitted as well.

The version above a factory is raised when its attack's results change."""


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
