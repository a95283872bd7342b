"""No attack at all: what any attack is compared with."""

from __future__ import annotations

import torch

from sap_rl.attacks.factory import NORMS, AttackFactory
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


def make_none() -> Attack:
    """No attack: what passes through an adversary unharmed."""
    return untouched


NONE = AttackFactory(make_none, needs="nothing", norms=NORMS)
