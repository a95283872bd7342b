"""The training loop: a generator of events; emulators step while the learner updates."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sap_rl.agents import Agent
from sap_rl.atari.env import make_atari
from sap_rl.atari.protocol import Preprocess, Protocol
from sap_rl.errors import UsageError
from sap_rl.machine import keep_freed_memory, single_threaded
from sap_rl.seeds import numpy_stream
from sap_rl.training.checkpoint import (
    Progress,
    latest_checkpoint,
    prune_checkpoints,
    write_checkpoint,
)
from sap_rl.training.dqn.collect import Collector, Explorer, Game
from sap_rl.training.dqn.events import CheckpointWritten, Evaluated, Finished, Started, TrainEvent
from sap_rl.training.dqn.learner import Diverged, Learner
from sap_rl.training.dqn.log import Log
from sap_rl.training.dqn.restart import (
    begin_from_agent,
    begin_from_checkpoint,
    check_parent,
    fresh_network,
    made_with,
    playable,
    prepare_folder,
    run_identity,
)
from sap_rl.training.dqn.schedules import linear
from sap_rl.training.dqn.settings import TrainSettings
from sap_rl.training.evaluations import play_evaluation
from sap_rl.training.parentage import parent_facts
from sap_rl.training.replay import Replay

MakeEnvs = Callable[[str, TrainSettings], Any]
"""(game, settings) -> a vector environment as AtariVectorEnv."""
MakeNetwork = Callable[[int, int, TrainSettings], nn.Module]
"""(number of actions, seed, settings) -> a Q-network in its initial state."""


def training_envs(game: str, settings: TrainSettings) -> Any:
    """The emulators of a training run: true rewards, no-op starts, lives end nothing."""
    protocol = Protocol(
        sticky_actions=settings.sticky_actions, max_frames=settings.max_frames, epsilon=0.0
    )
    return make_atari(game, settings.num_envs, protocol=protocol)


class Training:
    """One run, in `folder`: iterate `run()`; `request_stop()` ends it after a checkpoint.

    game: canonical name; resume: go on from the folder's last checkpoint; init_from: go on from an
    agent's weights; threads: of the learner, torch's count by default; make_envs, make_network:
    build the games and the network. Raises UsageError at once for what does not fit.
    """

    def __init__(
        self,
        settings: TrainSettings,
        folder: Path,
        *,
        game: str,
        seed: int = 0,
        resume: bool = False,
        init_from: Agent | None = None,
        device: str | torch.device = "cpu",
        threads: int | None = None,
        make_envs: MakeEnvs = training_envs,
        make_network: MakeNetwork = fresh_network,
    ) -> None:
        self.settings, self.folder, self.game, self.seed = settings, folder, game, seed
        self.stopping = False
        self.restart = "resume" if resume else "init" if init_from is not None else ""
        if resume and init_from is not None:
            raise UsageError("a resumed run has weights of its own: drop init_from")
        if init_from is not None:
            check_parent(init_from, game)
        prepare_folder(folder, resume=resume)
        keep_freed_memory()
        self.envs = make_envs(game, settings)
        self.num_actions = int(self.envs.single_action_space.n)
        self.learner = Learner(
            make_network(self.num_actions, seed, settings), settings, device, threads=threads
        )
        self.replay = Replay(
            settings.replay_frames,
            settings.num_envs,
            n_step=settings.n_step,
            gamma=settings.gamma,
            sign_rewards=settings.sign_rewards,
            device=self.learner.device,
        )
        self.collector = Collector(self.envs, self.replay, life_loss=settings.life_loss)
        self.progress = Progress(warmup=settings.warmup_steps)
        self.parent: dict[str, Any] | None = None
        if init_from is not None:
            self.parent = parent_facts(init_from)
            self.progress = begin_from_agent(self.learner, init_from, settings)
        if resume:
            self.progress, self.parent = begin_from_checkpoint(
                self.checkpoints, self._identity, self.learner, self.replay, settings
            )
        if self.progress.steps >= settings.steps:
            raise UsageError(
                f"steps {settings.steps} are cumulative and {self.progress.steps} are already made"
            )
        self.log = Log(self.progress, self.learner, settings.log_updates)
        self.made_with = made_with(
            self.learner.device, self.learner.batch_threads.size, self.learner.dtype
        )

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.folder / "checkpoints"

    def request_stop(self) -> None:
        """End after the current step with a checkpoint; safe in a signal handler."""
        self.stopping = True

    def run(self) -> Iterator[TrainEvent]:
        """Train to the last step, yielding events; closes the environments."""
        self.log = Log(self.progress, self.learner, self.settings.log_updates)
        try:
            yield self._started()
            while self.progress.steps < self.settings.steps and not self.stopping:
                yield from self._segment()
                yield self._checkpoint()
                yield from self._evaluation()
            yield Finished(*self.log.now, complete=self.progress.steps >= self.settings.steps)
        except Diverged as error:
            last = latest_checkpoint(self.checkpoints)
            raise Diverged(
                f"{error}, step {self.progress.steps}; last good checkpoint: {last or 'none'}"
            ) from error
        finally:
            self.learner.batch_threads.close()
            self.envs.close()

    def agent(self) -> Agent:
        """A copy of the network as it is now, in float32."""
        module = playable(self.learner.network, self.settings)
        return Agent(module, Preprocess(), self.folder.name, game=self.game)

    def _segment(self) -> Iterator[TrainEvent]:
        """From one boundary to the next: new games and new random streams, then vector steps."""
        number, every = self.progress.number, self.settings.checkpoint_steps
        end = min(self.settings.steps, (self.progress.steps // every + 1) * every)
        self.collector.reset(self.seed, number)
        explorer = Explorer(self.num_actions, numpy_stream(self.seed, "train-policy", number))
        sampler = numpy_stream(self.seed, "train-replay", number)
        while self.progress.steps < end and not self.stopping:
            began = time.perf_counter()
            with single_threaded():
                games = self._step(explorer, sampler)
            self.log.clock.total += time.perf_counter() - began
            for game in games:
                yield self.log.episode(game)
            if updated := self.log.updated(self.epsilon):
                yield updated
        self.collector.cut()

    def _step(self, explorer: Explorer, sampler: np.random.Generator) -> list[Game]:
        """One vector step; what earlier steps owe is learned while the emulators work."""
        began = time.perf_counter()
        greedy = self.learner.values(torch.from_numpy(self.collector.obs)).argmax(1).cpu().numpy()
        self.collector.send(explorer.replace(greedy, self.epsilon))
        self.log.clock.acting += time.perf_counter() - began
        played = self.collector.playing
        try:
            self._learn(sampler)
        finally:
            began = time.perf_counter()
            games = self.collector.receive()
            self.log.clock.waiting += time.perf_counter() - began
        self.progress.steps += played
        if self.replay.transitions >= self.progress.warmup:
            self.progress.owed += played
        return games

    def _learn(self, sampler: np.random.Generator) -> None:
        low, high = self.replay.sampleable
        while self.progress.owed >= self.settings.update_period and high > low:
            began = time.perf_counter()
            batch = self.replay.sample(self.settings.batch_size, sampler)
            middle = time.perf_counter()
            self.learner.update(batch)
            self.log.clock.sampling += middle - began
            self.log.clock.updating += time.perf_counter() - middle
            self.progress.owed -= self.settings.update_period
        self.progress.updates = self.learner.updates

    @property
    def epsilon(self) -> float:
        """The share of random actions now."""
        s = self.settings
        if self.progress.explored:
            return float(s.epsilon_final)
        return linear(
            float(s.epsilon_start), float(s.epsilon_final), s.epsilon_steps, self.progress.steps
        )

    @property
    def _identity(self) -> dict[str, Any]:
        return run_identity(self.game, self.seed, self.settings)

    def _started(self) -> Started:
        return Started(
            *self.log.now,
            total_steps=self.settings.steps,
            restart=self.restart,
            game=self.game,
            num_actions=self.num_actions,
            num_envs=self.settings.num_envs,
            precision=str(self.learner.dtype).removeprefix("torch."),
            threads=self.learner.batch_threads.size,
        )

    def _checkpoint(self) -> CheckpointWritten:
        self.learner.check_weights()
        self.progress.number += 1
        now = self.log.now
        state = self.replay.state() if self.settings.save_replay else None
        run = self._identity | {"made_with": self.made_with, "parent": self.parent}
        path = write_checkpoint(self.checkpoints, self.progress, run, self.learner.parts(), state)
        prune_checkpoints(
            self.checkpoints, self.settings.keep_checkpoints, self.folder / "snapshots"
        )
        return CheckpointWritten(*now, self.progress.number, path)

    def _evaluation(self) -> Iterator[Evaluated]:
        every = self.settings.eval_steps
        if not every or self.progress.steps // every == self.progress.evaluated // every:
            return
        self.progress.evaluated = self.progress.steps
        s = self.settings
        games = play_evaluation(
            self.agent(),
            self.game,
            lam=float(s.eval_lambda),
            episodes=s.eval_episodes,
            seed=s.eval_seed,
        )
        for row in games:
            if self.stopping:
                return
            if row is not None and row.mean is not None:
                yield Evaluated(*self.log.now, row.lam, row.returns, row.mean)
