"""How games are played for a score: one frozen value, written into every result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sap_rl.atari.preprocess import Preprocess
from sap_rl.errors import UsageError, require_positive

Observation = Literal["float", "uint8"]
Frames = Literal["all", "newest"]

__all__ = ["Frames", "Observation", "Preprocess", "Protocol"]


MAX_FRAMES = 10_000_000
"""46 hours of play; ale-py counts in 32 bits and every step's random action is drawn beforehand."""


@dataclass(frozen=True)
class Protocol:
    """The rules of an evaluation.

    sticky_actions: probability of repeating the last action; noop_max: random no-ops at the start;
    epsilon: share of uniformly random actions, the same draws in every arm; max_frames: cap in
    emulator frames (18,000 = 5 minutes, as van Hasselt et al. 2016); observation: dtype in which
    tampered frames reach the agent; frames: which frames of the stack the attacker may touch;
    grad_samples: passes averaged per gradient, None for 10 with a random victim and 1 otherwise;
    policy_samples: passes averaged per action.
    """

    sticky_actions: float = 0.0
    noop_max: int = 30
    epsilon: float = 0.01
    max_frames: int = 18_000
    observation: Observation = "float"
    frames: Frames = "all"
    grad_samples: int | None = None
    policy_samples: int = 1

    def __post_init__(self) -> None:
        for name in ("sticky_actions", "epsilon"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"{name} must lie in 0..1, got {getattr(self, name)}")
        if self.noop_max < 0:
            raise UsageError(f"noop_max must be at least 0, got {self.noop_max}")
        require_positive("max_frames", self.max_frames)
        if self.max_frames > MAX_FRAMES:
            raise UsageError(f"max_frames must be at most {MAX_FRAMES}, got {self.max_frames}")
        require_positive("policy_samples", self.policy_samples)
        if self.grad_samples is not None:
            require_positive("grad_samples", self.grad_samples)
