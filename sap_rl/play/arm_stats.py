"""What is counted while an arm is played."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sap_rl.atari.protocol import Policy
from sap_rl.play.rollout import Episode, Step


@dataclass(frozen=True)
class ArmFacts:
    """What is fixed about an arm before it is played; None where it does not apply."""

    attack: str | None = None
    defense: str | None = None
    backward: str | None = None
    grad_samples: int | None = None
    policy_samples: int = 1
    epsilon: float = 0.0
    precision: str = "float32"
    sampler: str | None = None
    corruption: str | None = None
    policy: Policy = "greedy"


@dataclass
class Share:
    """A running average over the steps on which something was measured."""

    total: float = 0.0
    count: int = 0

    def add(self, values: np.ndarray | None) -> None:
        """Count the values of one step; None where it was not measured."""
        if values is not None:
            self.total += float(values.sum())
            self.count += len(values)

    @property
    def average(self) -> float | None:
        """The average, None where nothing was measured."""
        return self.total / self.count if self.count else None


@dataclass
class ArmStats:
    """Counts what an arm's steps and episodes showed.

    batches: steps that environments made together; steps: of each alone.
    """

    episodes: list[Episode] = field(default_factory=list)
    steps: int = 0
    batches: int = 0
    flipped: Share = field(default_factory=Share)
    self_flipped: Share = field(default_factory=Share)
    linf: Share = field(default_factory=Share)
    mean: Share = field(default_factory=Share)
    struck: Share = field(default_factory=Share)
    idle: Share = field(default_factory=Share)
    forward: Share = field(default_factory=Share)
    backward: Share = field(default_factory=Share)
    total_variation: Share = field(default_factory=Share)
    linf_max: float | None = None
    seconds: float = 0.0

    def add(self, event: Step | Episode) -> None:
        """Count one event of a rollout."""
        if isinstance(event, Episode):
            self.episodes.append(event)
            return
        decision = event.decision
        self.steps += len(decision.actions)
        self.batches += 1
        self.flipped.add(decision.flipped)
        self.self_flipped.add(decision.self_flipped)
        self.total_variation.add(decision.total_variation)
        self.linf.add(decision.linf)
        self.mean.add(decision.mean)
        self.struck.add(decision.struck)
        if decision.idle is not None and decision.struck is not None:
            self.idle.add(decision.idle[decision.struck])
        self.forward.add(decision.forward)
        self.backward.add(decision.backward)
        if decision.linf is not None:
            self.linf_max = max(self.linf_max or 0.0, float(decision.linf.max()))

    def __add__(self, other: ArmStats) -> ArmStats:
        """Both stats together: totals and counts add up, the largest distance is the larger one."""
        found = ArmStats(self.episodes + other.episodes, self.steps + other.steps)
        found.batches = self.batches + other.batches
        for name in SHARES:
            a, b = getattr(self, name), getattr(other, name)
            setattr(found, name, Share(a.total + b.total, a.count + b.count))
        largest = [m for m in (self.linf_max, other.linf_max) if m is not None]
        found.linf_max = max(largest) if largest else None
        found.seconds = self.seconds + other.seconds
        return found


SHARES = (
    "flipped", "self_flipped", "linf", "mean", "struck", "idle", "forward", "backward",
    "total_variation",
)  # fmt: skip
"""The fields of an ArmStats that are running averages."""
