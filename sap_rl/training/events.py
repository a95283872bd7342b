"""What a run tells whoever listens: a training's events, a hardening's, and those of both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sap_rl.evaluation.results import Row


@dataclass(frozen=True)
class Moment:
    """Where a run stood when it told: agent steps played, updates made, and seconds spent, those
    before a restart included."""

    steps: int
    updates: int
    seconds: float


@dataclass(frozen=True)
class Started(Moment):
    """The first event of a run.

    restart: "" for a fresh run, else "resume" or "init" (from an agent's weights); due: an
    evaluation of where it stands is played first, whatever a curve may hold of it; threads,
    precision: what was chosen.
    """

    restart: str
    due: bool
    game: str
    precision: str
    threads: int


@dataclass(frozen=True)
class TrainingStarted(Started):
    """The first event of a training; total_steps: where it ends."""

    total_steps: int
    num_envs: int


@dataclass(frozen=True)
class HardenStarted(Started):
    """The first event of a hardening.

    total_updates: 0 while `minutes` have not been turned into a number.
    """

    total_updates: int
    minutes: float
    agent: str
    lam: float


@dataclass(frozen=True)
class EpisodeEnded(Moment):
    """A training game is over; ret: the game's own score; length: agent steps.

    mean_return, mean_length: of the last 100 episodes, this one included.
    """

    episodes: int
    ret: float
    length: int
    truncated: bool
    mean_return: float
    mean_length: float


@dataclass(frozen=True)
class Updated(Moment):
    """`log_updates` further updates of a training were made; means over them.

    q_mean: of the chosen actions' values; grad_norm: before clipping; learning_rate, epsilon: now;
    fps: agent steps per second since the last such event, evaluation and checkpoints left out;
    mean_return, mean_length: of the last 100 episodes, None before the first ended.
    """

    loss: float
    q_mean: float
    grad_norm: float
    learning_rate: float
    epsilon: float
    fps: float
    episodes: int
    mean_return: float | None
    mean_length: float | None


@dataclass(frozen=True)
class FramesPlayed(Moment):
    """A hardening's games went on."""


@dataclass(frozen=True)
class HardenPlanned(Moment):
    """It is known how many updates the minutes allow."""

    total_updates: int


@dataclass(frozen=True)
class HardenUpdated(Moment):
    """`log_updates` further updates of a hardening were made; means over them.

    agreement_attacked, agreement_clean: share of examples on which the student's greedy action is
    the teacher's; rate: updates per second.
    """

    loss: float
    agreement_attacked: float
    agreement_clean: float
    grad_norm: float
    learning_rate: float
    rate: float


@dataclass(frozen=True)
class CheckpointWritten(Moment):
    """A checkpoint lies whole at `path`."""

    number: int
    path: Path


@dataclass(frozen=True)
class Evaluated(Moment):
    """Episodes under the protocol, clean or under FGSM at the row's lambda."""

    row: Row


@dataclass(frozen=True)
class Finished(Moment):
    """The last event; complete: all steps or updates were made, False after `request_stop`."""

    complete: bool
