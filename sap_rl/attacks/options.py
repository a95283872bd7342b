"""Options that attacks share: what they are, and how their values are checked."""

from __future__ import annotations

import math
from typing import Annotated

from sap_rl.attacks.objectives import OBJECTIVES, flat_at_clean
from sap_rl.errors import UsageError, require_positive
from sap_rl.pixels import lam_to_eps
from sap_rl.schema import Option

ObjectiveName = Annotated[str, Option("what the attacker increases", choices=tuple(OBJECTIVES))]
Temperature = Annotated[float, Option("of the objective's softmax")]
GradSamples = Annotated[int, Option("averaged per gradient or query", unit="passes")]
StepCount = Annotated[int, Option("of the search", unit="steps")]
StepSize = Annotated[
    float | None, Option("of a step; by default min(L, 2.5 L / steps) at lambda L", unit="pixels")
]
Momentum = Annotated[float, Option("decay of the accumulated gradient, 0 for none")]
Restarts = Annotated[int, Option("from random starts, of which each frame keeps the best")]


def require_counts(**counts: int) -> None:
    """UsageError for a count below 1."""
    for name, value in counts.items():
        require_positive(name, value)


def require_size(name: str, value: float) -> None:
    """UsageError for what is no positive number."""
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{name} must be a positive number, got {value}")


def unit_size(step_size: float | None) -> float | None:
    """A step's size from pixels to unit scale, None as it is; UsageError for an unusable one."""
    if step_size is None:
        return None
    require_size("step_size", step_size)
    return lam_to_eps(step_size)


def checked_momentum(value: float) -> float:
    """The momentum; UsageError for a negative one or none."""
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"momentum must be a number of at least 0, got {value}")
    return float(value)


def require_slope(attack: str, objective: str) -> None:
    """Refuse an objective that is flat at the clean frames for an attack that starts there."""
    if flat_at_clean(OBJECTIVES[objective]):
        raise UsageError(
            f"objective '{objective}' is flat at the clean frame, where {attack} starts; use pgd "
            "with a random start, or another attack that starts elsewhere, such as apgd or square"
        )
