"""What a training run tells whoever listens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Started:
    """The first event of a run.

    steps, updates: where it begins, 0 for a fresh run; total_steps: where it ends; seconds: time
    trained before; restart: "" for a fresh run, else "resume" or "init" (from an agent's weights);
    num_actions: of the game; threads, precision: what was chosen.
    """

    steps: int
    updates: int
    seconds: float
    total_steps: int
    restart: str
    game: str
    num_actions: int
    num_envs: int
    precision: str
    threads: int


@dataclass(frozen=True)
class EpisodeEnded:
    """A training game is over; ret: the game's own score; length: agent steps.

    mean_return, mean_length: of the last 100 episodes, this one included.
    """

    steps: int
    updates: int
    seconds: float
    episodes: int
    ret: float
    length: int
    truncated: bool
    mean_return: float
    mean_length: float


@dataclass(frozen=True)
class Updated:
    """`log_updates` further updates were made; means over them.

    q_mean: of the chosen actions' values; grad_norm: before clipping; learning_rate, epsilon: now;
    fps: agent steps per second since the last such event, evaluation and checkpoints left out;
    mean_return, mean_length: of the last 100 episodes, None before the first ended.
    """

    steps: int
    updates: int
    seconds: float
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
class CheckpointWritten:
    """A checkpoint lies whole at `path`."""

    steps: int
    updates: int
    seconds: float
    number: int
    path: Path


@dataclass(frozen=True)
class Evaluated:
    """Episodes under the protocol; lam: budget of FGSM in pixels, 0 for clean play."""

    steps: int
    updates: int
    seconds: float
    lam: float
    returns: tuple[float, ...]
    mean: float


@dataclass(frozen=True)
class Finished:
    """The last event; complete: all steps were made, False after `request_stop`."""

    steps: int
    updates: int
    seconds: float
    complete: bool


TrainEvent = Started | EpisodeEnded | Updated | CheckpointWritten | Evaluated | Finished
