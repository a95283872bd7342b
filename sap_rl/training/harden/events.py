"""What a hardening tells whoever listens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sap_rl.evaluation.results import Row


@dataclass(frozen=True)
class HardenStarted:
    """The first event.

    updates: made before, 0 for a fresh run; total_updates: 0 while `minutes` have not been turned
    into a number; seconds: spent before; resumed: it goes on from a checkpoint.
    """

    updates: int
    seconds: float
    total_updates: int
    minutes: float
    resumed: bool
    game: str
    agent: str
    lam: float
    precision: str
    threads: int


@dataclass(frozen=True)
class FramesPlayed:
    """Games went on; frames: played in all."""

    updates: int
    seconds: float
    frames: int


@dataclass(frozen=True)
class HardenPlanned:
    """It is known how many updates the minutes allow."""

    updates: int
    seconds: float
    total_updates: int


@dataclass(frozen=True)
class HardenUpdated:
    """`log_updates` further updates were made; means over them.

    agreement_attacked, agreement_clean: share of examples on which the student's greedy action is
    the teacher's; frames: played in all; rate: updates per second.
    """

    updates: int
    seconds: float
    frames: int
    loss: float
    agreement_attacked: float
    agreement_clean: float
    grad_norm: float
    learning_rate: float
    rate: float


@dataclass(frozen=True)
class HardenSaved:
    """A checkpoint lies whole at `path`."""

    updates: int
    seconds: float
    path: Path


@dataclass(frozen=True)
class HardenEvaluated:
    """Episodes of the student under the protocol; lam: budget of FGSM, 0 for clean play."""

    updates: int
    seconds: float
    lam: float
    row: Row


@dataclass(frozen=True)
class HardenFinished:
    """The last event; complete: all updates were made, False after `request_stop`."""

    updates: int
    seconds: float
    complete: bool


HardenEvent = (
    HardenStarted | FramesPlayed | HardenPlanned | HardenUpdated | HardenSaved | HardenEvaluated
    | HardenFinished
)  # fmt: skip
