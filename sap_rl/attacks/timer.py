"""A schedule at work: whether to strike at this step of the game."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque

import torch

from sap_rl.attacks.schedule import Schedule
from sap_rl.types import Flags, PerExample, QValues

REMEMBERED = 1000
"""Recent preferences from which a `rate` schedule takes its threshold."""


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
