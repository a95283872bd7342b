"""One run, whatever it learns: boundaries, checkpoints, evaluations, stopping and resuming."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sap_rl.agents import Agent
from sap_rl.errors import MALFORMED, UsageError, told_of
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.run import ArmEnded, EvaluationRun, versions
from sap_rl.evaluation.settings import Settings
from sap_rl.machine import commit, describe_hardware, keep_freed_memory
from sap_rl.play.arms import Arm
from sap_rl.schema import with_defaults
from sap_rl.training.checkpoint import (
    CHECKPOINTS,
    Progress,
    Saved,
    kind_of,
    last_saved,
    latest_checkpoint,
    prune_checkpoints,
    require_same,
    write_checkpoint,
)
from sap_rl.training.curve import evaluated_at
from sap_rl.training.events import CheckpointWritten, Evaluated, Finished, Moment, Started
from sap_rl.training.trainee import Diverged, Trainee


@dataclass(frozen=True)
class Rhythm:
    """When a run does what, in counts of `counted`, a field of Progress.

    checkpoint: from boundary to boundary; evaluation: one is due at the first boundary after each
    such count, 0 for none; lam: its budget in pixels beside clean play.
    """

    counted: str
    checkpoint: int
    evaluation: int
    lam: float


class Run(ABC):
    """One run: iterate `run()`; `request_stop()` ends it after a checkpoint.

    folder: None keeps no checkpoint; resume: go on from the folder's last one. What is learned is a
    subclass's: it builds its games and its `trainee`, then calls `begin`. total: of what is
    counted, 0 while it is not known; evaluated: the count at the last whole evaluation.
    """

    kind: ClassVar[str]
    changeable: ClassVar[frozenset[str]]
    """Settings that may differ when a run is resumed: they change no update."""
    settings: Any
    envs: Any
    trainee: Trainee
    total: int
    rhythm: Rhythm

    def __init__(self, folder: Path | None, *, game: str, seed: int, resume: bool) -> None:
        self.folder, self.game, self.seed = folder, game, seed
        self.restart = "resume" if resume else ""
        self.stopping = False
        self.progress = Progress()
        self.saved = last_saved(folder, resume=resume)
        self.evaluated = 0
        self.evaluation_seconds = 0.0
        keep_freed_memory()

    @abstractmethod
    def agent(self) -> Agent:
        """What was learned by now, in float32, with a module of its own."""

    @abstractmethod
    def started(self, **known: Any) -> Started:
        """The first event; known: the fields of `Started`."""

    @abstractmethod
    def segment(self, end: int) -> Iterator[Moment]:
        """Learn, on new games and with new random streams, while `goes_on` to `end`."""

    @abstractmethod
    def data(self) -> dict[str, np.ndarray] | None:
        """What was played, to be kept beside the weights; None where nothing is to be."""

    @abstractmethod
    def load(self, saved: Saved) -> None:
        """Take over a checkpoint's data and what else is the subclass's own."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What checkpoints say of the run beside its game, seed and settings."""

    def fixed(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """The facts of a checkpoint's run that must be the same when it is resumed, by name."""
        settings = with_defaults(type(self.settings), run["settings"])
        kept = {name: value for name, value in settings.items() if name not in self.changeable}
        return {"game": run["game"], "seed": run["seed"]} | kept

    def check_row(self, row: Row) -> None:  # noqa: B027
        """Refuse to go on after what an evaluation showed."""

    def begin(self) -> None:
        """Go on from the folder's checkpoint, if there is one."""
        self.made_with = _made_with(self.trainee)
        if self.saved is None:
            return
        if (kind := kind_of(self.saved)) != self.kind:
            raise UsageError(f"'{self.saved.path}' is another run's; resume it with sap-rl {kind}")
        self.progress = self.saved.progress
        try:
            require_same(self.saved.path, self.fixed(self.saved.run), self.fixed(self.identity))
            self.trainee.updates = self.progress.updates
            self.trainee.load_parts(self.saved.parts)
            self.trainee.load_sums(self.progress.sums)
            self.load(self.saved)
        except UsageError:
            raise
        except (RuntimeError, *MALFORMED) as error:
            raise UsageError(
                f"checkpoint '{self.saved.path}' does not fit: {told_of(error)}"
            ) from error
        assert self.folder is not None
        found = evaluated_at(self.folder, self.count, arms=len({0.0, self.rhythm.lam}))
        # Without a curve nobody keeps what was due before.
        self.evaluated = self.count if found is None else found

    def request_stop(self) -> None:
        """End after the current step with a checkpoint; safe in a signal handler."""
        self.stopping = True

    def run(self) -> Iterator[Moment]:
        """Learn to the end, yielding events; closes the games."""
        self._began = time.perf_counter() - self.progress.seconds
        try:
            yield self._started()
            yield from self._evaluation()
            while not self.complete and not self.stopping:
                every = self.rhythm.checkpoint
                yield from self.segment((self.count // every + 1) * every)
                yield from self._checkpoint()
                yield from self._evaluation()
            yield Finished(*self.now, complete=self.complete)
        except Diverged as error:
            last = latest_checkpoint(self.folder / CHECKPOINTS) if self.folder else None
            raise Diverged(
                f"{error}, step {self.progress.steps}; last good checkpoint: {last or 'none'}"
            ) from error
        finally:
            self.trainee.batch_threads.close()
            self.envs.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done within the block, between two events, takes none of the run's seconds."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._began += time.perf_counter() - began

    @property
    def now(self) -> tuple[int, int, float]:
        """Steps, updates, seconds: the fields of a `Moment`."""
        p = self.progress
        p.updates, p.seconds = self.trainee.updates, time.perf_counter() - self._began
        return p.steps, p.updates, p.seconds

    @property
    def count(self) -> int:
        """Steps or updates by now, whichever the run counts."""
        return int(getattr(self.progress, self.rhythm.counted))

    @property
    def complete(self) -> bool:
        """Whether all of them are made."""
        return bool(self.total) and self.count >= self.total

    @property
    def due(self) -> bool:
        """Whether an evaluation is to be played here."""
        every = self.rhythm.evaluation
        return bool(every) and self.count // every != self.evaluated // every

    @property
    def identity(self) -> dict[str, Any]:
        """What checkpoints say of the run."""
        known = {"kind": self.kind, "game": self.game, "seed": self.seed}
        return (
            known
            | {"settings": asdict(self.settings), "made_with": self.made_with}
            | (self.facts())
        )

    def _started(self) -> Started:
        steps, updates, seconds = self.now
        return self.started(
            steps=steps,
            updates=updates,
            seconds=seconds,
            restart=self.restart,
            due=self.due,
            game=self.game,
            precision=_name(self.trainee.dtype),
            threads=self.trainee.batch_threads.size,
        )

    def goes_on(self, end: int) -> bool:
        """Whether a segment that ends there has further to go."""
        return self.count < end and not self.complete and not self.stopping

    def _checkpoint(self) -> Iterator[Moment]:
        self.trainee.check()
        self.progress.number += 1
        self.progress.sums = self.trainee.sums()
        now = self.now
        if self.folder is None:
            return
        place = self.folder / CHECKPOINTS
        path = write_checkpoint(
            place, self.progress, self.identity, self.trainee.parts(), self.data()
        )
        prune_checkpoints(place, self.settings.keep_checkpoints, self.folder / "snapshots")
        yield CheckpointWritten(*now, self.progress.number, path)

    def _evaluation(self) -> Iterator[Moment]:
        """Play what is due; until it is whole, it stays due."""
        if not self.due:
            return
        began, s = time.perf_counter(), self.settings
        plan = Settings(
            game=self.game,
            lams=(float(self.rhythm.lam),),
            episodes=s.eval_episodes,
            seed=s.eval_seed,
            controls=False,
        )
        for row in play_evaluation(self.agent(), plan):
            if self.stopping:
                return
            if row is not None:
                yield Evaluated(*self.now, row)
                self.check_row(row)
        self.evaluation_seconds = time.perf_counter() - began
        self.evaluated = self.count


def play_evaluation(agent: Agent, plan: Settings) -> Iterator[Row | None]:
    """Play a plan's games; a Row for every arm, in order, and None for what happens in between.

    The None let whoever iterates stop in time.
    """
    evaluation = EvaluationRun(agent, plan)
    ended, waiting = dict[Arm, Row](), list(evaluation.arms)
    for event in evaluation.play():
        yield None
        if isinstance(event, ArmEnded):
            ended[event.arm] = event.row
        while waiting and waiting[0] in ended:
            yield ended[waiting.pop(0)]


def _made_with(trainee: Trainee) -> dict[str, Any]:
    """Where and with what a run is made, for its checkpoints and its agent's card."""
    found = {
        "hardware": describe_hardware(trainee.device),
        "threads": trainee.batch_threads.size,
        "dtype": _name(trainee.dtype),
        "commit": commit(),
        "versions": versions(),
    }
    return {name: value for name, value in found.items() if value is not None}


def _name(dtype: object) -> str:
    return str(dtype).removeprefix("torch.")
