"""When the attacker strikes: at every step, when it pays most, or at random; loads no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from sap_rl.errors import UsageError, unknown

When = Literal["every", "threshold", "rate", "random"]


@dataclass(frozen=True)
class Schedule:
    """Chooses the steps of the game on which frames are tampered with.

    when: `every` step; strategically timed (Lin et al. 2017, arXiv 1703.06748) by `threshold`,
    where the victim's preference (`preference`) exceeds `level`, or by `rate`, on about that share
    of steps, those of strongest preference among the recent ones; `random`, with chance `level`.
    temperature: of the preference's softmax. Raises UsageError for a level outside 0..1, or
    missing, or given with `every`.
    """

    when: When = "every"
    level: float | None = None
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.when not in get_args(When):
            raise unknown("schedule", self.when, get_args(When))
        if self.when == "every":
            if self.level is not None:
                raise UsageError(f"schedule 'every' has no level, got {self.level:g}")
        elif self.level is None or not 0 <= self.level <= 1:
            raise UsageError(f"schedule '{self.when}' needs a level in 0..1, got {self.level}")
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise UsageError(f"temperature must be a positive number, got {self.temperature}")

    @property
    def text(self) -> str:
        """The spelling that `parse_schedule` reads, without the temperature: every, rate-0.25."""
        return self.when if self.level is None else f"{self.when}-{self.level:g}"


EVERY = Schedule()


def parse_schedule(text: str) -> Schedule:
    """`every`, `threshold-0.5`, `rate-0.25` or `random-0.25`; UsageError for anything else."""
    name, _, level = text.partition("-")
    if name not in get_args(When):
        choices = ("every", "threshold-L", "rate-L", "random-L")
        raise unknown("schedule", text, choices)
    try:
        return Schedule(name, float(level) if level else None)  # type: ignore[arg-type]
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"schedule '{text}': '{level}' is not a number") from None
