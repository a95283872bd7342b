"""Two attacks on the same frames or episodes: which does clearly more, in words and numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Damage = Sequence[float] | np.ndarray
"""Damage per frame or per episode [N], larger for a stronger attack."""

Unit = Literal["margin lost", "return"]
"""What damage is: margin between action values lost per frame, or minus an episode's return."""

Z = 2.33
"""Standard errors beyond which one side is clearly larger: 99%, one-sided."""


@dataclass(frozen=True)
class Finding:
    """A reason to distrust a number.

    check: its name; where: the lambda and player it is about; text: what was measured; advice:
    what to do about it.
    """

    check: str
    where: str
    text: str
    advice: str


def clearly_above(larger: Damage, smaller: Damage) -> bool:
    """Whether the paired mean of `larger` exceeds that of `smaller` beyond chance.

    False for fewer than two pairs. ValueError for unequal lengths.
    """
    difference = _paired(larger, smaller)
    if len(difference) < 2:
        return False
    error = float(difference.std(ddof=1)) / math.sqrt(len(difference))
    return float(difference.mean()) > max(Z * error, 1e-9)


def _paired(a: Damage, b: Damage) -> np.ndarray:
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"paired samples need equal shapes, got {first.shape} and {second.shape}")
    return first - second


def shown(damage: Damage, unit: Unit) -> str:
    """The mean damage per frame, or the mean return that it leaves per episode."""
    mean = float(np.mean(damage))
    return f"{-mean:.1f}" if unit == "return" else f"{mean:.3g}"


def mean_of(values: Damage) -> str:
    """The mean to three digits."""
    return f"{float(np.mean(values)):.3g}"


def round_up(count: int) -> str:
    """A count to two digits, upwards: it is an estimate."""
    unit = 10 ** max(0, len(str(count)) - 2)
    return f"{math.ceil(count / unit) * unit:,}"
