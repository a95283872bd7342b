"""Turns the state of a run into events."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sap_rl.training.checkpoint import Progress
from sap_rl.training.dqn.collect import Game
from sap_rl.training.dqn.events import EpisodeEnded, Updated
from sap_rl.training.dqn.learner import Learner

WINDOW = 100
"""Games over which returns and lengths are averaged."""


@dataclass
class Clock:
    """Seconds spent in vector steps, in all and by part; waiting: for emulators after learning."""

    total: float = 0.0
    acting: float = 0.0
    sampling: float = 0.0
    updating: float = 0.0
    waiting: float = 0.0


class Stopwatch:
    """Seconds of a run, those before a restart included, and seconds per update of a segment."""

    def __init__(self, before: float) -> None:
        self._began = time.perf_counter() - before
        self.restart(0)

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.perf_counter() - self._began

    def restart(self, updates: int) -> None:
        """A segment's first update is next."""
        self._since, self._updates = time.perf_counter(), updates

    def per_update(self, updates: int) -> float:
        """Mean seconds since `restart`."""
        spent = time.perf_counter() - self._since
        return max(spent, 1e-9) / max(updates - self._updates, 1)


class Log:
    """Counts games and updates of one run."""

    def __init__(self, progress: Progress, learner: Learner, period: int) -> None:
        self.progress, self.learner, self.period = progress, learner, period
        self.clock = Clock()
        self._began = time.perf_counter() - progress.seconds
        self._block = learner.updates // period
        self._since = (progress.steps, 0.0)

    @property
    def now(self) -> tuple[int, int, float]:
        """Steps, updates, seconds."""
        self.progress.seconds = time.perf_counter() - self._began
        return self.progress.steps, self.progress.updates, self.progress.seconds

    def episode(self, game: Game) -> EpisodeEnded:
        """Count a finished game."""
        p = self.progress
        p.episodes += 1
        p.returns = [*p.returns, game.ret][-WINDOW:]
        p.lengths = [*p.lengths, game.length][-WINDOW:]
        return EpisodeEnded(
            *self.now, p.episodes, game.ret, game.length, game.truncated, *self._means()
        )

    def updated(self, epsilon: float) -> Updated | None:
        """The means of the last block of updates, None until it is full."""
        block = self.learner.updates // self.period
        if block == self._block:
            return None
        self._block = block
        steps, seconds = self._since
        self._since = (self.progress.steps, self.clock.total)
        fps = (self.progress.steps - steps) / max(self.clock.total - seconds, 1e-9)
        loss, q_mean, norm = self.learner.metrics()
        rate = self.learner.learning_rate
        means = self._means() if self.progress.returns else (None, None)
        return Updated(
            *self.now, loss, q_mean, norm, rate, epsilon, fps, self.progress.episodes, *means
        )

    def _means(self) -> tuple[float, float]:
        p = self.progress
        return sum(p.returns) / len(p.returns), sum(p.lengths) / len(p.lengths)
