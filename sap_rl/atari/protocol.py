"""How games are played for a score: one frozen value, written into every result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sap_rl.atari.preprocess import Preprocess
from sap_rl.errors import UsageError
from sap_rl.schema import Option, Unsaid, check

Observation = Literal["float", "uint8"]
Frames = Literal["all", "newest"]
Norm = Literal["linf", "l2"]
"""How far tampered frames are: by the largest change of a pixel, or by the root mean square."""

Policy = Literal["greedy", "sample"]
"""How an action is chosen: the one of the largest score, or one drawn by the scores' softmax."""

__all__ = ["EPSILON", "Frames", "Norm", "Observation", "Policy", "Preprocess", "Protocol"]

EPSILON = 0.01
"""Share of random actions of what was trained with them."""

MAX_FRAMES = 10_000_000
"""The longest cap, 46 hours of play: ale-py counts in 32 bits, and all random actions are drawn
before an episode begins."""


@dataclass(frozen=True)
class Protocol:
    """The rules of an evaluation; UsageError for what cannot be played.

    policy: None for the agent's own custom, which the rules of a result name where it is an
    actor's.
    """

    sticky_actions: Annotated[
        float, Option("probability of repeating the last action", within="share", hidden=True)
    ] = 0.0
    noop_max: Annotated[
        int, Option("random no-ops at the start", "at most", within="from zero", hidden=True)
    ] = 30
    epsilon: Annotated[
        float,
        Option(
            "share of random actions, the same draws in every arm",
            within="share",
            shown=f"{EPSILON:g}, 0 for an actor",
        ),
    ] = Unsaid(EPSILON)
    max_frames: Annotated[
        int, Option("cap, 108000 is 30 minutes", "emulator frames", within="count")
    ] = 18_000
    observation: Annotated[
        Observation, Option("dtype in which tampered frames reach the agent")
    ] = "float"
    frames: Annotated[Frames, Option("frames of the stack that are tampered with")] = "all"
    grad_samples: Annotated[
        int | None,
        Option(
            "averaged per gradient",
            "passes",
            within="count",
            shown="10 for a random victim, else 1",
        ),
    ] = None
    policy_samples: Annotated[int, Option("averaged per action", "passes", within="count")] = 1
    policy: Annotated[
        Policy | None,
        Option(
            "how an actor's actions are chosen; by action values the largest is",
            shown="sample",
        ),
    ] = None
    norm: Annotated[
        Norm,
        Option(
            "what lambda bounds: linf the change of every pixel, l2 the root mean square of all "
            "changes"
        ),
    ] = "linf"

    def __post_init__(self) -> None:
        check(self)
        if self.max_frames > MAX_FRAMES:
            raise UsageError(f"max_frames must be at most {MAX_FRAMES}, got {self.max_frames}")
