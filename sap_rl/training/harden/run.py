"""Adversarial distillation of a pretrained agent from itself: robust in minutes, without reward."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sap_rl.agents import Agent
from sap_rl.atari.env import make_atari
from sap_rl.atari.games import canonical_game
from sap_rl.atari.protocol import Protocol
from sap_rl.attacks.adversary import Adversary
from sap_rl.attacks.pgd import make_pgd
from sap_rl.attacks.threat import Threat
from sap_rl.errors import UsageError
from sap_rl.machine import keep_freed_memory, single_threaded
from sap_rl.play.defended_player import require_actions
from sap_rl.seeds import numpy_stream, stream_seed
from sap_rl.training.checkpoint import (
    Progress,
    Saved,
    prune_checkpoints,
    write_checkpoint,
)
from sap_rl.training.dqn.log import Stopwatch
from sap_rl.training.dqn.restart import made_with
from sap_rl.training.evaluations import play_evaluation
from sap_rl.training.harden.data import DistillationData
from sap_rl.training.harden.events import (
    FramesPlayed,
    HardenEvaluated,
    HardenEvent,
    HardenFinished,
    HardenPlanned,
    HardenSaved,
    HardenStarted,
    HardenUpdated,
)
from sap_rl.training.harden.settings import HardenSettings
from sap_rl.training.harden.start import (
    CHECKPOINTS,
    KIND,
    check_identity,
    check_teacher,
    last_state,
    require_skill,
)
from sap_rl.training.harden.student import FLAT_UPDATES, Student

UNPLANNED = 2 * FLAT_UPDATES
"""Updates that are assumed while it is not known how many there will be: the rate is full."""

MakeGames = Callable[[str, Agent, HardenSettings], Any]
"""(game, agent, settings) -> a vector environment as AtariVectorEnv."""


def harden_envs(game: str, agent: Agent, settings: HardenSettings) -> Any:
    """The emulators of a hardening: the protocol's world, as the agent sees it."""
    protocol = Protocol(epsilon=0.0)
    return make_atari(
        game, settings.num_envs, protocol=protocol, preprocess=agent.preprocess
    )  # fmt: skip


class Hardening:
    """One hardening: iterate `run()`; `request_stop()` ends it after a checkpoint.

    teacher: the agent as it is; folder: of the run, None keeps no checkpoint; resume: go on from
    the folder's last one; threads: torch's count by default; make_games: builds the games. Raises
    UsageError at once for what does not fit.
    """

    def __init__(
        self,
        teacher: Agent,
        settings: HardenSettings,
        folder: Path | None = None,
        *,
        game: str,
        seed: int = 0,
        resume: bool = False,
        threads: int | None = None,
        make_games: MakeGames = harden_envs,
    ) -> None:
        self.teacher, self.settings, self.folder = teacher, settings, folder
        self.game, self.seed, self.resumed = canonical_game(game), seed, resume
        self.stopping = False
        check_teacher(teacher, self.game)
        saved = last_state(folder, resume)
        keep_freed_memory()
        self.envs = make_games(self.game, teacher, settings)
        self.room = DistillationData(self.envs, teacher, settings)
        require_actions(teacher, self.game, self.room.num_actions)
        self.student = Student(teacher, settings, threads=threads)
        self.progress = Progress()
        self.total = settings.updates
        self.made_with = made_with(
            teacher.device, self.student.batch_threads.size, self.student.dtype
        )
        if saved is not None:
            self._load(saved)
        self._clock = Stopwatch(self.progress.seconds)
        self._evaluation_seconds = 0.0

    def request_stop(self) -> None:
        """End after the current update with a checkpoint; safe in a signal handler."""
        self.stopping = True

    def agent(self) -> Agent:
        """The student as it is now, in float32, with a module of its own."""
        return self.student.graduate()

    def run(self) -> Iterator[HardenEvent]:
        """Harden to the last update, yielding events; closes the games."""
        s = self.settings
        try:
            yield HardenStarted(
                self.student.updates, self._seconds, self.total, s.minutes, self.resumed,
                self.game, self.teacher.name, s.lam, str(self.student.dtype).split(".")[-1],
                self.student.batch_threads.size,
            )  # fmt: skip
            if not self.resumed:
                yield from self._evaluation(since=None)
            while not self._complete and not self.stopping:
                before = self.student.updates
                yield from self._segment()
                yield from self._checkpoint()
                yield from self._evaluation(since=before)
            yield HardenFinished(self.student.updates, self._seconds, self._complete)
        finally:
            self.student.batch_threads.close()
            self.envs.close()

    @property
    def _seconds(self) -> float:
        return self._clock.seconds

    @property
    def _complete(self) -> bool:
        return bool(self.total) and self.student.updates >= self.total

    def _segment(self) -> Iterator[HardenEvent]:
        """From one boundary to the next: new games and new random streams, then updates."""
        s, student, number = self.settings, self.student, self.progress.number
        self.room.reset(self.seed, number)
        student.reseed(self.seed, number)
        sampler = numpy_stream(self.seed, "harden-sample", number)
        adversary = self._adversary(number)
        yield from self._first_frames()
        end = (student.updates // s.checkpoint_updates + 1) * s.checkpoint_updates
        self._clock.restart(student.updates)
        while student.updates < end and not self._complete and not self.stopping:
            lesson = self.room.sample(s.batch_size + s.clean_size, sampler)
            with single_threaded():
                student.update(*lesson.divide(s.batch_size), self.total or UNPLANNED)
            if student.updates % s.play_every == 0:
                self.room.play(s.play_steps, student.agent, adversary)
                yield FramesPlayed(student.updates, self._seconds, self.room.frames)
            yield from self._planned()
            yield from self._updated()
        self.room.cut()

    def _first_frames(self) -> Iterator[HardenEvent]:
        """The teacher's own games, where the ring is still empty."""
        while self.room.ring.transitions < self.settings.teacher_frames and not self.stopping:
            self.room.play(self.settings.play_steps, None, None)
            yield FramesPlayed(self.student.updates, self._seconds, self.room.frames)

    def _adversary(self, number: int) -> Adversary:
        """Who tampers in the student's games: one step from a random start, away from its own
        action, at the full budget whatever the updates are at."""
        s = self.settings
        attack = make_pgd(steps=1, step_size=s.inner_size * s.lam, objective="cross-entropy")
        seed = stream_seed(self.seed, "harden-play", number)
        return Adversary(self.student.online.module, attack, Threat(s.lam), seed)

    def _planned(self) -> Iterator[HardenEvent]:
        """Turn minutes into a number of updates, once."""
        done, s = self.student.updates, self.settings
        if self.total or done < FLAT_UPDATES:
            return
        each = self._clock.per_update(done)
        if s.eval_updates:
            each += self._evaluation_seconds / max(s.eval_updates, s.checkpoint_updates)
        left = 60 * s.minutes - self._clock.seconds
        self.total = done + max(0, round(left / each))
        if s.lam_ramp and self.total <= FLAT_UPDATES:
            raise UsageError(
                f"{s.minutes:g} minutes allow {self.total} updates on this machine, and the budget "
                f"begins to grow after {FLAT_UPDATES}: more minutes, or lam_ramp 0"
            )
        yield HardenPlanned(done, self._seconds, self.total)

    def _updated(self) -> Iterator[HardenEvent]:
        done = self.student.updates
        if done % self.settings.log_updates:
            return
        found = self.student.metrics()
        yield HardenUpdated(
            done, self._seconds, self.room.frames, found.loss, found.agreement_attacked,
            found.agreement_clean, found.grad_norm, self.student.learning_rate(self.total or done),
            1 / self._clock.per_update(done),
        )  # fmt: skip

    def _evaluation(self, *, since: int | None) -> Iterator[HardenEvent]:
        """Play episodes, where they have become due since the last boundary, or at the start."""
        every, done = self.settings.eval_updates, self.student.updates
        if not every or (since is not None and done // every == since // every):
            return
        began = time.perf_counter()
        s = self.settings
        games = play_evaluation(
            self.agent(), self.game, lam=s.lam, episodes=s.eval_episodes, seed=s.eval_seed
        )
        for row in games:
            if self.stopping:
                return
            if row is not None:
                yield HardenEvaluated(done, self._seconds, row.lam, row)
                if not done and not row.lam:
                    require_skill(self.teacher, row)
        self._evaluation_seconds = time.perf_counter() - began

    def _checkpoint(self) -> Iterator[HardenEvent]:
        self.student.check()
        self.progress.number += 1
        self.progress.updates, self.progress.steps = self.student.updates, self.room.frames
        self.progress.seconds = self._seconds
        if self.folder is None:
            return
        checkpoints = self.folder / CHECKPOINTS
        state = self.room.state() if self.settings.save_frames else None
        path = write_checkpoint(
            checkpoints, self.progress, self.identity, self.student.parts(), state
        )
        prune_checkpoints(checkpoints, self.settings.keep_checkpoints, self.folder / "snapshots")
        yield HardenSaved(self.student.updates, self._seconds, path)

    @property
    def identity(self) -> dict[str, Any]:
        """What must be equal for a run to be resumed, and what made it."""
        return {
            "kind": KIND,
            "game": self.game,
            "seed": self.seed,
            "agent": self.teacher.name,
            "agent_sha256": self.teacher.sha256,
            "network": self.teacher.kind,
            "num_actions": self.room.num_actions,
            "preprocess": asdict(self.teacher.preprocess),
            "settings": asdict(self.settings) | {"updates": self.total},
            "made_with": self.made_with,
        }

    def _load(self, saved: Saved) -> None:
        """Go on from a checkpoint; where no frames were saved, the teacher plays first again."""
        check_identity(saved, self.identity)
        self.total = saved.run["settings"]["updates"]
        self.progress = saved.progress
        try:
            self.student.load_parts(saved.parts)
            if saved.replay is not None:
                self.room.load(saved.replay)
        except (KeyError, RuntimeError, ValueError) as error:
            raise UsageError(f"checkpoint '{saved.path}' does not fit: {error}") from error
        self.student.updates = saved.progress.updates
        self.room.frames = saved.progress.steps
