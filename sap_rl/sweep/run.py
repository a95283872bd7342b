"""A sweep: many experiments cell by cell, into a store, by whoever plays them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.evaluation.stopping import narrow_enough
from sap_rl.evaluation.summary import make_row
from sap_rl.store.records import CellRecord
from sap_rl.store.store import Store
from sap_rl.sweep.engines import CellBegan, CellDone, Engine, WorkerLost
from sap_rl.sweep.estimate import CellEstimate, estimates
from sap_rl.sweep.experiments import (
    CellTask,
    Experiment,
    PlannedExperiment,
    plan_experiment,
)
from sap_rl.sweep.worker import CellProgress


@dataclass(frozen=True)
class SweepPlanned:
    """What there is to do.

    cells: in all, of which kept are complete in the store and begun are in the middle; outdated:
    cells of the same experiments that other code or packages played, which are played again.
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
class CellsAdded:
    """Intervals are not narrow yet: every arm is played on, to so many episodes."""

    experiment: Experiment
    episodes: int
    tasks: tuple[CellTask, ...]


@dataclass(frozen=True)
class ExperimentEnded:
    """All cells of an experiment are complete."""

    experiment: Experiment
    evaluation: Evaluation


SweepEvent = (
    SweepPlanned | CellBegan | CellProgress | WorkerLost | CellEnded | CellsAdded | ExperimentEnded
)


class Sweep:
    """Plays what a store lacks of some experiments.

    Planning loads every agent once and raises UsageError for what does not fit; `run` yields what
    happens and may be abandoned at any moment: what was played is in the store.
    """

    def __init__(self, experiments: Sequence[Experiment], store: Store) -> None:
        self.store = store
        self.planned = [plan_experiment(experiment) for experiment in experiments]
        self._waiting: dict[str, CellTask] = {}
        self._done: dict[str, CellRecord] = {}
        self._ended: set[int] = set()

    @property
    def tasks(self) -> dict[str, CellTask]:
        """Every cell that is planned by now, by key."""
        return {task.key: task for plan in self.planned for task in plan.tasks}

    def run(self, engine: Engine) -> Iterator[SweepEvent]:
        """Everything that is missing, cheap lambdas first, costly arms of a lambda first."""
        yield self.plan()
        for plan in self.planned:
            self.store.put_experiment(plan.record())
        yield from self._take_up(self.tasks.values())
        for event in engine.run(self._draw):
            if isinstance(event, CellDone):
                yield from self._end(event.task, event.record, kept=False)
            else:
                yield event

    def plan(self) -> SweepPlanned:
        """What there is to do, from what is in the store by now."""
        known, tasks = self.store.cell_keys(), self.tasks
        found = [known[key] for key in tasks if key in known]
        mine = [plan.record() for plan in self.planned]
        others = {
            key
            for record in self.store.experiments()
            if any(record.identity == own.identity for own in mine)
            and not any(record.same_answer(own) for own in mine)
            for _, keys in record.arms
            for key in keys
        }
        outdated = len((others - tasks.keys()) & known.keys())
        kept = sum(found)
        return SweepPlanned(tuple(tasks.values()), kept, len(found) - kept, outdated)

    def estimates(self) -> Iterator[CellEstimate]:
        """How long each cell would take on one core; see `estimates`."""
        done = {key for key, complete in self.store.cell_keys().items() if complete}
        yield from estimates(self.planned, done)

    def evaluations(self) -> list[Evaluation]:
        """The experiments of this sweep as far as they were played."""
        return [self.store.evaluation(plan.record()) for plan in self.planned]

    def titled(self) -> list[tuple[str, Evaluation]]:
        """The same, each after its experiment's title."""
        titles = [plan.experiment.title for plan in self.planned]
        return list(zip(titles, self.evaluations(), strict=True))

    def _take_up(self, tasks: Iterable[CellTask]) -> Iterator[SweepEvent]:
        """Tell what is complete, and note the other cells in playing order."""
        found = {task.key: self.store.cell(task.key) for task in tasks}
        waiting = [task for task in self.tasks.values() if task.key in found]
        for task in sorted(waiting, key=lambda task: (task.arm.lam, -task.arm.cost)):
            record = found[task.key]
            if record is None or not record.complete:
                self._waiting[task.key] = task
        for task in waiting:
            record = found[task.key]
            if record is not None and record.complete:
                yield from self._end(task, record, kept=True)

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
        yield CellEnded(task, make_row(settings, task.arm, record.facts, record.arm_stats), kept)
        for number, plan in enumerate(self.planned):
            keys = {part.key for part in plan.tasks}
            if task.key in keys and number not in self._ended and self._done.keys() >= keys:
                yield from self._judge(number, plan)

    def _judge(self, number: int, plan: PlannedExperiment) -> Iterator[SweepEvent]:
        """Judge an experiment whose cells are complete: it is over, or its arms are played on."""
        record = plan.record()
        self.store.put_experiment(record)
        evaluation = self.store.evaluation(record)
        until = plan.experiment.until
        longer = None
        if until is not None and not narrow_enough(evaluation, until):
            longer = plan.extended()
        if longer is None:
            self._ended.add(number)
            yield ExperimentEnded(plan.experiment, evaluation)
            return
        self.planned[number] = longer
        added = longer.tasks[len(plan.tasks) :]
        yield CellsAdded(plan.experiment, longer.episodes, added)
        yield from self._take_up(added)
