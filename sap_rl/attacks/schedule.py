"""When the attacker strikes: at every step, when it pays most, or at random."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from sap_rl.errors import UsageError, unknown
from sap_rl.types import Flags, PerExample, QValues

When = Literal["every", "threshold", "rate", "random"]

REMEMBERED = 1000
"""Recent preferences from which a `rate` schedule takes its threshold."""


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


def preference(values: QValues, temperature: float = 1.0) -> PerExample:
    """How much the victim cares [B]: the largest minus the smallest of softmax(Q / temperature)."""
    chances = (values / temperature).softmax(1)
    return chances.amax(1) - chances.amin(1)


class Timer:
    """A schedule as it runs; it remembers recent preferences."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._recent: deque[float] = deque(maxlen=REMEMBERED)
        self._ordered: list[float] = []

    def strikes(self, values: QValues, generator: torch.Generator) -> Flags:
        """Whether to strike [B], from the victim's action values on the clean frames."""
        schedule = self.schedule
        level = schedule.level or 0.0
        if schedule.when == "every":
            return torch.ones(len(values), dtype=torch.bool, device=values.device)
        if schedule.when == "random":
            draws = torch.rand(len(values), generator=generator, device=values.device)
            return draws < level
        cares = preference(values, schedule.temperature)
        if schedule.when == "threshold":
            return cares > level
        ranks = [self._rank(care) for care in cares.tolist()]
        return torch.tensor(ranks, device=values.device) >= 1 - level

    def _rank(self, care: float) -> float:
        """The share of recent preferences below this one, which then joins them.

        Ties stand in the middle; the very first is alone and counts as in the middle too.
        """
        below = bisect_left(self._ordered, care)
        ties = bisect_left(self._ordered, math.nextafter(care, math.inf)) - below
        rank = (below + ties / 2 + 0.5) / (len(self._ordered) + 1)
        if len(self._recent) == self._recent.maxlen:
            self._ordered.pop(bisect_left(self._ordered, self._recent[0]))
        self._recent.append(care)
        insort(self._ordered, care)
        return rank
