"""Evaluations and training runs in TensorBoard; needs the extra `tensorboard`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.evaluation.run import ArmEnded, Event
from sap_rl.play.arms import Arm
from sap_rl.reporting.figures.plots import return_lambda_figure
from sap_rl.sweep.experiments import CellTask
from sap_rl.sweep.run import CellEnded, SweepEvent
from sap_rl.sweep.worker import CellProgress
from sap_rl.training.events import EpisodeEnded, Evaluated, Finished, Moment, Updated

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter


class TensorBoardWriter:
    """Listens to an evaluation's events.

    Scalars `eval/<game>/<arm>/lambda_<x>/return` with the episode's index as step, and `flip_rate`
    beside it with the number of episodes (arms that differ by victim are `defended-own`,
    `defended-original`); at the end the figure `eval/<game>/return_lambda`. Raises UsageError
    where the package is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.writer = summary_writer(folder)

    def __call__(self, event: Event) -> None:
        """Write the episodes of a finished arm."""
        if isinstance(event, ArmEnded):
            row = event.row
            tag = f"eval/{row.game}/{event.arm.title}/{_level(event.arm)}"
            for index, value in enumerate(row.returns):
                self.writer.add_scalar(f"{tag}/return", value, index)
            if row.flip_rate is not None:
                self.writer.add_scalar(f"{tag}/flip_rate", row.flip_rate, row.episodes)

    def close(self, evaluation: Evaluation) -> None:
        """Write the figure and flush."""
        if any(row.lam for row in evaluation.rows):
            tag = f"eval/{evaluation.settings.game}/{_figure(evaluation)}"
            self.writer.add_figure(tag, return_lambda_figure(evaluation))
        self.writer.close()


class SweepWriter:
    """Listens to a sweep's events, to be followed while it plays.

    Scalars `eval/<game>/<arm>/lambda_<x>/return` as the engine tells of episodes, the rest of a
    cell's when it is complete, and `flip_rate` beside it, a run for each experiment; each complete
    cell is a row of the hparams page: what was played against mean return and flip rate. At the end
    the figure `eval/<game>/return_lambda` of every evaluation, in the run of its experiment.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writers: dict[str, SummaryWriter] = {"": summary_writer(folder)}
        self.written: set[tuple[str, str, int]] = set()

    def __call__(self, event: SweepEvent) -> None:
        """Write one event."""
        if isinstance(event, CellProgress):
            for episode in event.ended:
                self._returns(event.task, [(episode.index, episode.ret)])
        elif isinstance(event, CellEnded):
            # Not all were told of: those from before a resume, the last ones, none under Ray.
            self._returns(event.task, list(enumerate(event.row.returns, event.task.first)))
            if event.row.flip_rate is not None:
                tag = f"{_tag(event.task)}/flip_rate"
                self._writer(event.task).add_scalar(tag, event.row.flip_rate, event.row.episodes)
            self._hparams(event.task, event.row)
        for writer in self.writers.values():
            writer.flush()

    def close(self, evaluations: Sequence[tuple[str, Evaluation]] = ()) -> None:
        """Write the figures of the evaluations, each after its experiment's title, and close."""
        for title, evaluation in evaluations:
            if any(row.lam for row in evaluation.rows):
                tag = f"eval/{evaluation.settings.game}/{_figure(evaluation)}"
                self._run(title).add_figure(tag, return_lambda_figure(evaluation))
        for writer in self.writers.values():
            writer.close()

    def _returns(self, task: CellTask, returns: list[tuple[int, float]]) -> None:
        writer, tag = self._writer(task), f"{_tag(task)}/return"
        for index, value in returns:
            if (task.experiment.title, tag, index) not in self.written:
                self.written.add((task.experiment.title, tag, index))
                writer.add_scalar(tag, value, index)

    def _hparams(self, task: CellTask, row: Row) -> None:
        asked = {
            "game": row.game, "agent": task.experiment.agent, "arm": task.arm.title,
            "lambda": row.lam, "attack": row.attack or row.corruption or "none",
            "defense": row.defense or "none",
            "victim": row.victim or "none", "seed": task.experiment.settings.seed,
        }  # fmt: skip
        known = {"return": row.mean, "flip_rate": row.flip_rate, "normalised": row.normalised}
        found = {f"cell/{name}": value for name, value in known.items() if value is not None}
        name = f"cells/{task.experiment.title}/{task.arm.title} {row.level}"
        name += f" from {task.first}" if task.first else ""
        self.writers[""].add_hparams(asked, found, run_name=name.replace(" ", "_"))

    def _writer(self, task: CellTask) -> SummaryWriter:
        return self._run(task.experiment.title)

    def _run(self, title: str) -> SummaryWriter:
        name = title.replace(" ", "_")
        if name not in self.writers:
            self.writers[name] = summary_writer(self.folder / name)
        return self.writers[name]


def _tag(task: CellTask) -> str:
    """What stands before the names of a cell's scalars."""
    return f"eval/{task.experiment.settings.game}/{task.arm.title}/{_level(task.arm)}"


def _level(arm: Arm) -> str:
    """An arm's level as a word of a tag: `lambda_4`, `rotate_0.5`."""
    return f"{arm.corruption or 'lambda'}_{arm.lam:g}"


def _figure(evaluation: Evaluation) -> str:
    """The last word of the figure's tag."""
    return f"return_{evaluation.settings.corruption or 'lambda'}"


class TrainingWriter:
    """Listens to a training run; Stable-Baselines3's tag names where the concept is the same.

    `rollout/ep_rew_mean`, `rollout/ep_len_mean`, `rollout/exploration_rate`, `train/loss`,
    `train/learning_rate`, `train/q_mean`, `train/grad_norm`, `time/fps`, `eval/lambda_<x>/return`,
    all against agent steps.
    """

    def __init__(self, folder: Path) -> None:
        self.writer = summary_writer(folder)

    def __call__(self, event: Moment) -> None:
        """Write one event."""
        if isinstance(event, EpisodeEnded):
            self._add("rollout/ep_rew_mean", event.mean_return, event.steps)
            self._add("rollout/ep_len_mean", event.mean_length, event.steps)
        elif isinstance(event, Updated):
            self._add("rollout/exploration_rate", event.epsilon, event.steps)
            self._add("time/fps", event.fps, event.steps)
            for name in ("loss", "learning_rate", "q_mean", "grad_norm"):
                self._add(f"train/{name}", getattr(event, name), event.steps)
        elif isinstance(event, Evaluated):
            self._add(f"eval/lambda_{event.row.lam:g}/return", event.row.mean or 0.0, event.steps)
        elif isinstance(event, Finished):
            self.writer.close()

    def _add(self, tag: str, value: float, step: int) -> None:
        self.writer.add_scalar(tag, value, step)


def summary_writer(folder: Path) -> SummaryWriter:
    """TensorBoard's writer to a folder; UsageError where the package is missing."""
    try:
        import matplotlib.figure  # noqa: F401  (needed at the end: missed here, not then)
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError as error:
        raise UsageError("--tensorboard needs: pip install 'sap-rl[tensorboard]'") from error
    before = threading.excepthook

    def told_by_the_writer(failed: threading.ExceptHookArgs) -> None:
        """Where its thread cannot write, the next event says so: no traceback beside that."""
        if not type(failed.thread).__module__.startswith("tensorboard"):
            before(failed)

    threading.excepthook = told_by_the_writer
    return SummaryWriter(str(folder))
