"""Play one cell into a store, so that a process which dies loses next to nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from sap_rl.atari.fleet import Fleet, make_fleet
from sap_rl.errors import UsageError
from sap_rl.evaluation.code_version import of_today
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.machine import keep_freed_memory
from sap_rl.play.arm_games import ArmGames, add_noise_control, arm_facts, block_players
from sap_rl.play.arm_stats import ArmFacts, ArmStats
from sap_rl.play.arms import Players
from sap_rl.play.frames import record_for_attack
from sap_rl.play.rollout import Episode, Step
from sap_rl.store.records import CellRecord
from sap_rl.store.store import Store
from sap_rl.sweep.experiments import CellTask, Experiment

KEEP_EVERY = 32
"""Steps after which a cell's whole state is kept; fixed, so that no outcome decides about it."""
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
        """Play what is missing of a cell; its progress, at last the cell itself.

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
        run = self._run_of(task.experiment)
        players = _players_for(task, run)
        facts = arm_facts(players, task.arm)
        games = ArmGames(
            players, task.arm, facts, self._emulators(task, run), task.experiment.settings.seed,
            task.end, task.first, task.calibrates,
        )  # fmt: skip
        if (before := store.progress(task.key)) is not None and games.can_be_kept:
            games.go_on(before[1], before[0])
        else:
            store.begin(CellRecord(task.key, task.manifest, facts, ArmStats(), complete=False))
        yield from _play_on(task, games, store)
        yield _finish(task, games, facts, store)

    def _run_of(self, experiment: Experiment) -> EvaluationRun:
        if self._run is None or self._experiment != experiment:
            self._run, self._experiment = experiment.run(), experiment
        return self._run

    def _emulators(self, task: CellTask, run: EvaluationRun) -> Fleet:
        s = task.experiment.settings
        parallel = min(s.parallel, task.end - task.first)
        wanted = (s.game, parallel, s.protocol, run.agent.preprocess)
        if self._fleet is None or self._fleet[0] != wanted:
            self.close()
            fleet = make_fleet(
                s.game, parallel, protocol=s.protocol, preprocess=run.agent.preprocess
            )
            self._fleet = (wanted, fleet)
        return self._fleet[1]

    def close(self) -> None:
        """Close the emulators."""
        if self._fleet is not None:
            self._fleet[1].close()
        self._fleet = None


def _players_for(task: CellTask, run: EvaluationRun) -> Players:
    s = task.experiment.settings
    if task.sigma is not None:
        add_noise_control(run.players, task.sigma)
    if task.arm.victim:
        record_for_attack(run.players, s.game)
    return block_players(run.players, s.seed, task.first)


def _play_on(task: CellTask, games: ArmGames, store: Store) -> Iterator[CellProgress]:
    """Every episode is kept when it ends, and where all games stand every so many steps."""
    told = 0.0
    ended: list[Episode] = []
    for event in games.play():
        arm_stats = games.arm_stats
        if not isinstance(event, Step):
            store.add_episodes(task.key, [event])
            ended.append(event)
        elif arm_stats.batches % KEEP_EVERY == 0 and games.can_be_kept:
            by_now = replace(arm_stats, episodes=[*arm_stats.episodes, *event.ended])
            store.keep_progress(task.key, by_now, games.snapshot())
        if (now := time.monotonic()) - told > TELL_EVERY:
            told = now
            yield CellProgress(
                task, len(arm_stats.episodes), arm_stats.steps, arm_stats.seconds, tuple(ended)
            )
            ended.clear()
    if ended:
        arm_stats = games.arm_stats
        yield CellProgress(
            task, len(arm_stats.episodes), arm_stats.steps, arm_stats.seconds, tuple(ended)
        )


def _finish(task: CellTask, games: ArmGames, facts: ArmFacts, store: Store) -> CellRecord:
    arm_stats = games.arm_stats
    sigma = games.sigma(arm_stats.self_flipped.average) if task.calibrates else None
    record = CellRecord(task.key, task.manifest, facts, arm_stats, True, sigma)
    store.put(record)
    kept = store.cell(task.key)
    assert kept is not None
    return kept
