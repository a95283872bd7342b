"""An attack with two options of its own: rings around the middle, lighter or darker in turn."""

from __future__ import annotations

from functools import partial
from typing import Annotated, cast

import torch

from sap_rl.attacks.factory import AttackFactory, Trial
from sap_rl.attacks.options import require_counts
from sap_rl.attacks.threat import Threat
from sap_rl.schema import Option
from sap_rl.types import Actions, Attack, QFunction, UnitFrames


def rings(
    q: QFunction,
    obs: UnitFrames,
    threat: Threat,
    *,
    generator: torch.Generator,
    label: Actions | None = None,
    width: int,
    light: bool,
) -> UnitFrames:
    """Square rings of the full budget; nobody is asked."""
    rows, columns = (torch.arange(size) - size // 2 for size in obs.shape[2:])
    distance = torch.maximum(rows.abs()[:, None], columns.abs()[None, :])
    sign = 1.0 - 2.0 * (distance // width % 2)
    return threat.project(obs + threat.eps * (sign if light else -sign), obs)


def make_rings(
    *,
    width: Annotated[int, Option("of a ring", unit="pixels")] = 2,
    light: Annotated[bool, Option("the middle is lighter")] = True,
) -> Attack:
    """Rings around the middle of the frame."""
    require_counts(width=width)
    return cast(Attack, partial(rings, width=width, light=light))


RINGS = AttackFactory(
    make_rings, needs="nothing", one_step=True, trials=(Trial(options={"width": 3}),)
)
