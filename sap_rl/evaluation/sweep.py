"""A sweep: many experiments cell by cell, into a store, by whoever plays them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sap_rl.evaluation.cell_play import CellProgress
from sap_rl.evaluation.code_version import code_version
from sap_rl.evaluation.engines import CellBegan, CellDone, Engine, WorkerLost
from sap_rl.evaluation.experiments import (
    CellTask,
    Experiment,
    plan_experiment,
)
from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.evaluation.store import CellRecord, Store
from sap_rl.evaluation.summary import make_row


@dataclass(frozen=True)
class SweepPlanned:
    """What there is to do.

    cells: in all, of which kept are complete in the store and begun are in the middle; outdated:
    cells of the same experiments that other code played, which are played again.
    """

    tasks: tuple[CellTask, ...]
    kept: int
    begun: int
    outdated: int


@dataclass(frozen=True)
class CellEnded:
    """A cell is complete; row: its arm; kept: it was found in the store."""

    task: CellTask
    row: Row
    kept: bool


@dataclass(frozen=True)
class ExperimentEnded:
    """All cells of an experiment are complete."""

    experiment: Experiment
    evaluation: Evaluation


SweepEvent = SweepPlanned | CellBegan | CellProgress | WorkerLost | CellEnded | ExperimentEnded


class Sweep:
    """Plays what a store lacks of some experiments.

    Planning loads every agent once and raises UsageError for what does not fit; `run` yields what
    happens and may be abandoned at any moment: what was played is in the store.
    """

    def __init__(self, experiments: Sequence[Experiment], store: Store) -> None:
        self.store = store
        self.planned = [plan_experiment(experiment) for experiment in experiments]
        self.tasks = {task.key: task for plan in self.planned for task in plan.tasks}
        self._waiting: dict[str, CellTask] = {}
        self._done: dict[str, CellRecord] = {}
        self._told: set[str] = set()

    def run(self, engine: Engine) -> Iterator[SweepEvent]:
        """Everything that is missing, cheap lambdas first, costly arms of a lambda first."""
        yield self.plan()
        for plan in self.planned:
            self.store.put_experiment(plan.record())
        yield from self._ended_before()
        for event in engine.run(self._draw):
            if isinstance(event, CellDone):
                yield from self._end(event.task, event.record, kept=False)
            else:
                yield event

    def plan(self) -> SweepPlanned:
        """What there is to do, from what is in the store by now."""
        known = self.store.cell_keys()
        found = [known[key] for key in self.tasks if key in known]
        mine = {plan.record().identity for plan in self.planned}
        others = {
            key
            for record in self.store.experiments()
            if record.identity in mine and record.manifest["code"] != code_version()
            for _, keys in record.arms
            for key in keys
        }
        outdated = len((others - self.tasks.keys()) & known.keys())
        return SweepPlanned(
            tuple(self.tasks.values()), sum(found), len(found) - sum(found), outdated
        )

    def evaluations(self) -> list[Evaluation]:
        """The experiments of this sweep as far as they were played."""
        return [self.store.evaluation(plan.record()) for plan in self.planned]

    def _ended_before(self) -> Iterator[SweepEvent]:
        """Tell what is complete, and note the rest in playing order."""
        missing = []
        for task in list(self.tasks.values()):
            record = self.store.cell(task.key)
            if record is not None and record.complete:
                yield from self._end(task, record, kept=True)
            else:
                missing.append(task)
        for task in sorted(missing, key=lambda task: (task.arm.lam, -task.arm.cost)):
            self._waiting[task.key] = task

    def _draw(self) -> CellTask | None:
        """The next cell that nothing is missing for."""
        for key, task in self._waiting.items():
            needs = task.manifest.get("matched_to")
            if needs is not None and needs not in self._done:
                continue
            del self._waiting[key]
            return task if needs is None else replace(task, sigma=self._done[needs].sigma)
        return None

    def _end(self, task: CellTask, record: CellRecord, *, kept: bool) -> Iterator[SweepEvent]:
        self._done[task.key] = record
        settings = task.experiment.settings
        yield CellEnded(task, make_row(settings, task.arm, record.facts, record.tally), kept)
        for plan in self.planned:
            keys = [part.key for part in plan.tasks]
            title = plan.record().key
            if task.key in keys and title not in self._told and self._done.keys() >= set(keys):
                self._told.add(title)
                evaluation = self.store.evaluation(plan.record())
                yield ExperimentEnded(plan.experiment, evaluation)
