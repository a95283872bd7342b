"""Nothing, random signs and uniform noise: what any attack with a gradient must beat."""

from __future__ import annotations

import torch
from torch import Tensor

from sap_rl.attacks.factory import NORMS, AttackFactory, Trial
from sap_rl.attacks.threat import Threat
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


def noise(
    q: QFunction,
    obs: UnitFrames,
    threat: Threat,
    *,
    generator: torch.Generator,
    label: Actions | None = None,
) -> UnitFrames:
    """Every pixel moves by lambda, up or down at random; q is never asked."""
    return threat.project(obs + threat.eps * random_signs(obs, generator), obs)


def uniform(
    q: QFunction,
    obs: UnitFrames,
    threat: Threat,
    *,
    generator: torch.Generator,
    label: Actions | None = None,
) -> UnitFrames:
    """The frames move to a point that is uniform within the budget; q is never asked."""
    return threat.random_point(obs, generator)


def random_signs(obs: Tensor, generator: torch.Generator) -> Tensor:
    """-1 or 1 with equal chance, of the shape of obs."""
    bits = torch.randint(2, obs.shape, generator=generator, device=obs.device, dtype=torch.int8)
    return (2 * bits - 1).to(obs.dtype)


def make_none() -> Attack:
    """No attack: what passes through an adversary unharmed."""
    return untouched


def make_noise() -> Attack:
    """Random sign noise of the full budget."""
    return noise


def make_uniform() -> Attack:
    """Noise uniform within the budget."""
    return uniform


NONE = AttackFactory(make_none, needs="nothing", norms=NORMS)
NOISE = AttackFactory(
    make_noise,
    needs="nothing",
    one_step=True,
    norms=NORMS,
    trials=(Trial(place="always", part="control"),),
)
UNIFORM = AttackFactory(
    make_uniform, needs="nothing", one_step=True, norms=NORMS, trials=(Trial(),)
)
