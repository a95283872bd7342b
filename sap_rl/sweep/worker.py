"""Play one cell into a store, block by block: a process that dies loses the games in progress."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from sap_rl.atari.fleet import Fleet
from sap_rl.errors import UsageError
from sap_rl.evaluation.code_version import of_today
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.machine import keep_freed_memory
from sap_rl.play.arm_games import ArmGames
from sap_rl.play.arm_stats import ArmStats
from sap_rl.play.noise_control import add_noise_control
from sap_rl.play.rollout import Episode, Step
from sap_rl.store.records import CellRecord
from sap_rl.store.store import Store
from sap_rl.sweep.experiments import CellTask, Experiment

TELL_EVERY = 0.5
"""Seconds between two reports of how far a cell is."""


@dataclass(frozen=True)
class CellProgress:
    """How far a cell is; ended: the episodes that ended since the last report."""

    task: CellTask
    episodes: int
    steps: int
    seconds: float
    ended: tuple[Episode, ...]


@dataclass
class CellPlayer:
    """What one worker keeps from cell to cell: an experiment's agents, and emulators."""

    _experiment: Experiment | None = None
    _run: EvaluationRun | None = None
    _fleet: tuple[object, Fleet] | None = None

    def play(self, task: CellTask, store: Store) -> Iterator[CellProgress | CellRecord]:
        """Play what is missing of a cell; yields its progress, and at last the finished cell.

        UsageError where the task was made by other code, or an agent's file changed since.
        """
        wanted = task.manifest["code"]
        if wanted != (here := of_today(wanted)):
            raise UsageError(
                f"this worker's versions are {here}, the sweep's {wanted}; "
                "install the same version of sap_rl everywhere"
            )
        torch.set_num_threads(1)
        keep_freed_memory()
        known = store.cell(task.key)
        if known is not None and known.complete:
            yield known
            return
        games = self._games(task, self._run_of(task.experiment))
        yield from _progress(task, games, store)
        kept = store.cell(task.key)
        assert kept is not None
        yield kept

    def _games(self, task: CellTask, run: EvaluationRun) -> ArmGames:
        if task.sigma is not None:
            add_noise_control(run.players, task.sigma)
        run.prepare([task.arm])
        episodes = range(task.first, task.end)
        return run.games(task.arm, self._emulators(task, run), episodes, calibrates=task.calibrates)

    def _run_of(self, experiment: Experiment) -> EvaluationRun:
        if self._run is None or self._experiment != experiment:
            self._run, self._experiment = experiment.run(), experiment
        return self._run

    def _emulators(self, task: CellTask, run: EvaluationRun) -> Fleet:
        s = task.experiment.settings
        parallel = min(s.parallel, task.end - task.first)
        wanted = (s.game, parallel, s.protocol, run.agent.preprocess, s.in_one_emulator,
                  _seen_through(task))  # fmt: skip
        if self._fleet is None or self._fleet[0] != wanted:
            self.close()
            self._fleet = (wanted, run.fleet(parallel, task.arm))
        return self._fleet[1]

    def close(self) -> None:
        """Close the emulators."""
        if self._fleet is not None:
            self._fleet[1].close()
        self._fleet = None


def _seen_through(task: CellTask) -> tuple[str, float] | None:
    """What tells the cameras of a cell from another's; None where it has none."""
    return None if task.arm.corruption is None else (task.arm.corruption, task.arm.lam)


def play_cell(
    key: str, manifest: dict[str, Any], games: ArmGames, store: Store
) -> Iterator[Step | Episode]:
    """Play the blocks that the store lacks of a cell; each is kept when its last game has ended.

    manifest: what determines the cell, and what it was made with.
    """

    def keep() -> None:
        stats = games.arm_stats
        store.put(CellRecord(key, manifest, games.facts, stats, games.complete, games.sigma))

    known = store.cell(key)
    if known is not None and _whole_blocks(known.arm_stats, games):
        games.arm_stats, games.sigma = known.arm_stats, known.sigma
    keep()
    for block in games.blocks():
        yield from block
        keep()


def _whole_blocks(played: ArmStats, games: ArmGames) -> bool:
    """Whether these are the first blocks of a cell, and everything that was counted in them.

    Earlier versions kept each episode as it ended, and counts from another moment.
    """
    found = [episode.index for episode in played.episodes]
    whole = len(found) % games.fleet.num_envs == 0 or len(found) == len(games.episodes)
    steps = sum(episode.length for episode in played.episodes)
    return whole and found == list(games.episodes[: len(found)]) and played.steps == steps


def _progress(task: CellTask, games: ArmGames, store: Store) -> Iterator[CellProgress]:
    """Play the cell, and tell now and then how far it is."""
    told, ended = 0.0, list[Episode]()

    def progress() -> CellProgress:
        stats = games.arm_stats
        return CellProgress(task, len(stats.episodes), stats.steps, stats.seconds, tuple(ended))

    for event in play_cell(task.key, task.manifest, games, store):
        if isinstance(event, Episode):
            ended.append(event)
        if (now := time.monotonic()) - told > TELL_EVERY:
            told = now
            yield progress()
            ended.clear()
    if ended:
        yield progress()
