"""How long a sweep will take, from a short look at every kind of cell."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from sap_rl.atari.fleet import Fleet
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.machine import single_threaded
from sap_rl.play.arms import Arm
from sap_rl.play.episodes import max_agent_steps
from sap_rl.play.noise_control import add_noise_control
from sap_rl.play.rollout import Episode, Step
from sap_rl.sweep.experiments import CellTask, PlannedExperiment

LOOK_SECONDS = 2.0
"""Seconds for which a kind of cell is played, from its second step on."""
LENGTH_SECONDS = 5.0
"""Seconds for which an agent's clean play is watched to learn the length of its episodes."""
SOME_NOISE = 0.01
"""Noise that the noise control is timed with; its cost does not depend on it."""


@dataclass(frozen=True)
class CellEstimate:
    """How long a cell would take.

    seconds: on one core, None where the cell is complete already; most, episodes: seconds and
    episodes if a stopping rule plays the arm on to the end, None without a rule.
    """

    task: CellTask
    seconds: float | None
    most: float | None = None
    episodes: int | None = None


def estimates(planned: Sequence[PlannedExperiment], done: set[str]) -> Iterator[CellEstimate]:
    """An estimate for every cell, each once; done: keys of complete ones.

    Steps per second as measured here at the cell's own batch, on one core, times the length of the
    clean original's episodes: under attack they may be shorter or longer. The calibration plays
    clean games for 5 s per agent and 2 s per kind of cell. What is done once per cell (frames
    for an attack that is fitted, and its fit) is not in it.
    """
    seen: set[str] = set()
    lengths: dict[str, float] = {}
    for plan in planned:
        tasks = [task for task in plan.tasks if task.key not in seen]
        seen |= {task.key for task in tasks}
        if plan.experiment.until is None and all(task.key in done for task in tasks):
            yield from (CellEstimate(task, None) for task in tasks)
            continue
        with single_threaded():
            yield from _estimate(plan, tasks, done, lengths)


def _estimate(
    plan: PlannedExperiment, tasks: Sequence[CellTask], done: set[str], lengths: dict[str, float]
) -> Iterator[CellEstimate]:
    """lengths: of episodes that were watched, by the key of the cell of clean play."""
    run = plan.experiment.run()
    add_noise_control(run.players, SOME_NOISE)
    run.prepare([task.arm for task in tasks])
    rates: dict[tuple[str | None, ...], float] = {}
    until = plan.experiment.until
    with closing(run.fleet(run.settings.parallel)) as fleet:
        clean = next(task.key for task in plan.tasks if task.arm == Arm("original"))
        if clean not in lengths:
            lengths[clean] = _episode_length(run, fleet)
        for task in tasks:
            if task.key in done and until is None:
                yield CellEstimate(task, None)
                continue
            kind = (task.arm.name, task.arm.victim, task.arm.corruption)
            if kind not in rates:
                rates[kind] = _rate_on(run, task.arm, fleet)
            each = lengths[clean] / rates[kind]
            now = None if task.key in done else (task.end - task.first) * each
            if until is None:
                yield CellEstimate(task, now)
                continue
            played = task.end if task.key in done else task.first
            yield CellEstimate(task, now, (until.most - played) * each, until.most)


def _rate_on(run: EvaluationRun, arm: Arm, fleet: Fleet) -> float:
    """Steps per second on a fleet, or on one of its own where cameras look at it."""
    if arm.corruption is None:
        return _rate(run, arm, fleet)
    with closing(run.fleet(fleet.num_envs, arm)) as seen:
        return _rate(run, arm, seen)


def _rate(run: EvaluationRun, arm: Arm, fleet: Fleet) -> float:
    """Steps per second; the first, in which much is done for the first time, does not count."""
    started = steps = passed = 0.0
    with closing(_play(run, arm, fleet)) as events:  # type: ignore[type-var]
        for event in events:
            if not isinstance(event, Step):
                continue
            if not started:
                started = time.perf_counter()
                continue
            steps += len(event.pixels)
            passed = time.perf_counter() - started
            if passed > LOOK_SECONDS:
                break
    return steps / max(passed, 1e-6) if steps else 1.0


def _episode_length(run: EvaluationRun, fleet: Fleet) -> float:
    """Steps over ended episodes, which is right on average whenever one looks; the cap where none
    ended."""
    steps = ended = 0
    began = time.perf_counter()
    with closing(_play(run, Arm("original"), fleet)) as events:  # type: ignore[type-var]
        for event in events:
            ended += isinstance(event, Episode)
            steps += len(event.pixels) if isinstance(event, Step) else 0
            if time.perf_counter() - began > LENGTH_SECONDS:
                break
    cap = max_agent_steps(run.settings.protocol.max_frames, run.agent.preprocess.frameskip)
    return min(steps / ended, cap) if ended else float(cap)


def _play(run: EvaluationRun, arm: Arm, fleet: Fleet) -> Iterator[Step | Episode]:
    return run.games(arm, fleet, range(run.settings.episodes)).play()
