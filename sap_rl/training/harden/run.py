"""Adversarial distillation of a pretrained agent from itself: robust in minutes, without reward."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sap_rl.agents import Agent
from sap_rl.atari.env import make_atari
from sap_rl.atari.games import canonical_game
from sap_rl.atari.preprocess import Preprocess, preprocess_entries
from sap_rl.atari.protocol import Protocol
from sap_rl.attacks.adversary import Adversary
from sap_rl.attacks.pgd import make_pgd
from sap_rl.attacks.threat import Threat
from sap_rl.corruptions.changing import ChangingCamera
from sap_rl.corruptions.spelling import read_corruptions
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Row
from sap_rl.machine import single_threaded
from sap_rl.play.defended_player import require_actions
from sap_rl.seeds import numpy_stream, stream_seed
from sap_rl.training.checkpoint import Saved
from sap_rl.training.events import (
    FramesPlayed,
    HardenPlanned,
    HardenStarted,
    HardenUpdated,
    Moment,
)
from sap_rl.training.harden.data import DistillationData
from sap_rl.training.harden.settings import HARDEN_CHANGEABLE, HardenSettings, settled
from sap_rl.training.harden.student import FLAT_UPDATES, Student
from sap_rl.training.harden.teacher import check_teacher, require_skill
from sap_rl.training.run import Rhythm, Run

UNPLANNED = 2 * FLAT_UPDATES
"""Updates that are assumed while it is not known how many there will be: the rate is full."""
NOT_YET = -1
"""Where the last evaluation of a fresh hardening was: the teacher's own is due."""

MakeGames = Callable[[str, Agent, HardenSettings], Any]
"""(game, agent, settings) -> a vector environment as AtariVectorEnv."""


def harden_envs(game: str, agent: Agent, settings: HardenSettings) -> Any:
    """The emulators of a hardening: the protocol's world, as the agent sees it, through cameras
    that the corruptions spoil."""
    sees = agent.preprocess
    worst = read_corruptions(settings.corruptions)
    return make_atari(
        game,
        settings.num_envs,
        protocol=Protocol(epsilon=0.0),
        preprocess=sees,
        camera=ChangingCamera(worst, (sees.height, sees.width)) if worst else None,
    )


class Hardening(Run):
    """A run that hardens an agent; see `Run`.

    teacher: the agent as it is; threads: torch's count by default; make_games: builds the games.
    Raises UsageError at once for what does not fit.
    """

    kind, changeable = "harden", HARDEN_CHANGEABLE
    settings: HardenSettings

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
        check_teacher(teacher, canonical_game(game))
        super().__init__(folder, game=canonical_game(game), seed=seed, resume=resume)
        settings = settled(settings, teacher.scores)
        self.teacher, self.settings, self.total = teacher, settings, settings.updates
        self.rhythm = Rhythm(
            "updates", settings.checkpoint_updates, settings.eval_updates, settings.lam
        )
        self.evaluated = NOT_YET
        self.envs = make_games(self.game, teacher, settings)
        self.examples = DistillationData(self.envs, teacher, settings)
        require_actions(teacher, self.game, self.examples.num_actions)
        self.trainee = self.student = Student(teacher, settings, threads=threads)
        self.begin()

    def agent(self) -> Agent:
        """The student as it is now, in float32, with a module of its own."""
        return self.student.graduate()

    def started(self, **known: Any) -> HardenStarted:
        """The first event."""
        s = self.settings
        return HardenStarted(
            **known,
            total_updates=self.total,
            minutes=s.minutes,
            agent=self.teacher.name,
            lam=s.lam,
        )

    def facts(self) -> dict[str, Any]:
        """The teacher, and the updates that were planned."""
        return {
            "agent": self.teacher.name,
            "agent_sha256": self.teacher.sha256,
            "network": self.teacher.kind,
            "scores": self.teacher.scores,
            "num_actions": self.examples.num_actions,
            "preprocess": asdict(self.teacher.preprocess),
            "settings": asdict(self.settings) | {"updates": self.total},
        }

    def fixed(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """The teacher, what it sees, and how the student is computed, beside the settings."""
        kept = super().fixed(run)
        if not kept["updates"]:  # as many as the minutes allow
            del kept["updates"]
        kept |= {name: run[name] for name in ("agent_sha256", "agent") if name in run}
        made = run.get("made_with", {})
        kept |= {name: made[name] for name in ("threads", "dtype") if name in made}
        if "preprocess" in run:
            # JSON keeps no tuples, and an old run not every entry.
            sees = asdict(Preprocess(**preprocess_entries(run["preprocess"])))
            kept |= {f"preprocess.{name}": value for name, value in sees.items()}
        return kept

    def data(self) -> dict[str, np.ndarray] | None:
        """The ring of frames."""
        return self.examples.state() if self.settings.save_frames else None

    def load(self, saved: Saved) -> None:
        """Where no frames were saved, the teacher plays first again."""
        self.total = int(saved.run["settings"]["updates"])
        self.examples.frames = saved.progress.steps
        if saved.replay is not None:
            self.examples.load(saved.replay)

    def segment(self, end: int) -> Iterator[Moment]:
        """Make updates until a boundary is reached, playing games between them."""
        s, student, number = self.settings, self.student, self.progress.number
        self.examples.reset(self.seed, number)
        student.reseed(self.seed, number)
        sampler = numpy_stream(self.seed, "harden-sample", number)
        adversary = self._adversary(number)
        while self.examples.ring.transitions < s.teacher_frames and not self.stopping:
            yield self._play(None, None)
        self._segment_began = time.perf_counter(), student.updates
        while self.goes_on(end):
            batch = self.examples.sample(s.batch_size + s.clean_size, sampler)
            with single_threaded():
                student.update(*batch.divide(s.batch_size), self.total or UNPLANNED)
            self.progress.updates = student.updates
            if student.updates % s.play_every == 0:
                yield self._play(student.agent, adversary)
            yield from self._planned()
            yield from self._updated()
        self.examples.cut()

    def check_row(self, row: Row) -> None:
        """Refuse a teacher that plays as at random."""
        if not self.count and not row.lam:
            require_skill(self.teacher, row)

    def _play(self, student: Agent | None, adversary: Adversary | None) -> FramesPlayed:
        self.examples.play(self.settings.play_steps, student, adversary)
        self.progress.steps = self.examples.frames
        return FramesPlayed(*self.now)

    def _adversary(self, number: int) -> Adversary:
        """Who tampers in the student's games: one step from a random start, away from its own
        action, at the full budget whatever the updates are at."""
        s = self.settings
        attack = make_pgd(steps=1, step_size=s.inner_size * s.lam, objective="cross-entropy")
        seed = stream_seed(self.seed, "harden-play", number)
        return Adversary(self.student.online.module, attack, Threat(s.lam), seed)

    @property
    def _per_update(self) -> float:
        """Mean seconds of this segment's updates and of the games between them."""
        began, before = self._segment_began
        return (time.perf_counter() - began) / max(self.student.updates - before, 1)

    def _planned(self) -> Iterator[HardenPlanned]:
        """Turn minutes into a number of updates, once."""
        done, s = self.student.updates, self.settings
        if self.total or done < FLAT_UPDATES:
            return
        each = self._per_update
        if s.eval_updates:
            each += self.evaluation_seconds / max(s.eval_updates, s.checkpoint_updates)
        left = 60 * s.minutes - self.now[2]
        self.total = done + max(0, round(left / each))
        if s.lam_ramp and self.total <= FLAT_UPDATES:
            raise UsageError(
                f"{s.minutes:g} minutes allow {self.total} updates on this machine, and the budget "
                f"begins to grow after {FLAT_UPDATES}: more minutes, or lam_ramp 0"
            )
        yield HardenPlanned(*self.now, self.total)

    def _updated(self) -> Iterator[HardenUpdated]:
        done = self.student.updates
        if done % self.settings.log_updates:
            return
        found, rate = self.student.metrics(), self.student.learning_rate(self.total or done)
        yield HardenUpdated(
            *self.now, found.loss, found.agreement_attacked, found.agreement_clean,
            found.grad_norm, rate, 1 / self._per_update,
        )  # fmt: skip
