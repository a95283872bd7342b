"""The training loop: a generator of events; emulators step while the learner updates."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sap_rl.agents import Agent
from sap_rl.atari.env import make_atari
from sap_rl.atari.protocol import Preprocess, Protocol
from sap_rl.errors import UsageError
from sap_rl.machine import single_threaded
from sap_rl.seeds import numpy_stream
from sap_rl.training.checkpoint import Saved
from sap_rl.training.dqn.collect import Collector, Explorer, Game
from sap_rl.training.dqn.learner import Learner
from sap_rl.training.dqn.network import fresh_network, playable
from sap_rl.training.dqn.parent import begin_from_agent, check_parent, parent_facts
from sap_rl.training.dqn.schedules import linear
from sap_rl.training.dqn.settings import CHANGEABLE, TrainSettings
from sap_rl.training.events import EpisodeEnded, Moment, TrainingStarted, Updated
from sap_rl.training.replay import Replay
from sap_rl.training.run import Rhythm, Run

WINDOW = 100
"""Games over which returns and lengths are averaged."""

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


@dataclass
class Clock:
    """Seconds spent in vector steps, in all and by part; waiting: for emulators after learning."""

    total: float = 0.0
    acting: float = 0.0
    sampling: float = 0.0
    updating: float = 0.0
    waiting: float = 0.0


class Training(Run):
    """A run that learns a game by reward, in `folder`; see `Run`.

    game: canonical name; init_from: go on from an agent's weights; threads: of the learner, torch's
    count by default; make_envs, make_network: build the games and the network. Raises UsageError at
    once for what does not fit.
    """

    kind, changeable = "train", CHANGEABLE
    settings: TrainSettings

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
        if resume and init_from is not None:
            raise UsageError("a resumed run has weights of its own: drop init_from")
        if init_from is not None:
            check_parent(init_from, game)
        super().__init__(folder, game=game, seed=seed, resume=resume)
        self.settings, self.name, self.total = settings, folder.name, settings.steps
        self.rhythm = Rhythm(
            "steps", settings.checkpoint_steps, settings.eval_steps, settings.eval_lambda
        )
        self.envs = make_envs(game, settings)
        self.num_actions = int(self.envs.single_action_space.n)
        network = make_network(self.num_actions, seed, settings)
        self.trainee = self.learner = Learner(network, settings, device, threads=threads)
        self.replay = _replay(settings, self.learner.device)
        self.collector = Collector(self.envs, self.replay, life_loss=settings.life_loss)
        self.progress.warmup = settings.warmup_steps
        self.parent: dict[str, Any] | None = None
        if init_from is not None:
            self.restart, self.parent = "init", parent_facts(init_from)
            self.progress = begin_from_agent(self.learner, init_from, settings)
            self.evaluated = self.progress.steps
        self.begin()
        if self.complete and not self.due:
            raise UsageError(
                f"agent_steps {settings.steps} are cumulative, and {self.progress.steps} are made "
                "already"
            )
        self.clock, self._told = Clock(), (self.learner.updates, self.progress.steps, 0.0)

    def agent(self) -> Agent:
        """A copy of the network as it is now, in float32."""
        module = playable(self.learner.network, self.settings)
        return Agent(module, Preprocess(), self.name, game=self.game)

    def started(self, **known: Any) -> TrainingStarted:
        """The first event."""
        s = self.settings
        return TrainingStarted(**known, total_steps=s.steps, num_envs=s.num_envs)

    def facts(self) -> dict[str, Any]:
        """The agent from which the training went on."""
        return {"parent": self.parent}

    def data(self) -> dict[str, np.ndarray] | None:
        """The replay."""
        return self.replay.state() if self.settings.save_replay else None

    def load(self, saved: Saved) -> None:
        """Where no replay was saved, `restart_warmup_steps` transitions are played before updates
        go on."""
        self.parent = saved.run.get("parent")
        self.learner.lr_origin = self.progress.lr_origin
        if saved.replay is not None:
            self.replay.load(saved.replay)
            return
        self.progress.owed = 0
        if self.progress.updates:
            s = self.settings
            self.progress.warmup = min(s.restart_warmup_steps, s.replay_frames // 2)

    def segment(self, end: int) -> Iterator[Moment]:
        """Make vector steps until a boundary is reached."""
        number = self.progress.number
        self.collector.reset(self.seed, number)
        explorer = Explorer(self.num_actions, numpy_stream(self.seed, "train-policy", number))
        sampler = numpy_stream(self.seed, "train-replay", number)
        while self.goes_on(end):
            began = time.perf_counter()
            with single_threaded():
                games = self._step(explorer, sampler)
            self.clock.total += time.perf_counter() - began
            for game in games:
                yield self._episode(game)
            yield from self._updated()
        self.collector.cut()

    def _step(self, explorer: Explorer, sampler: np.random.Generator) -> list[Game]:
        """One vector step; what earlier steps owe is learned while the emulators work."""
        began = time.perf_counter()
        greedy = self.learner.values(torch.from_numpy(self.collector.obs)).argmax(1).cpu().numpy()
        self.collector.send(explorer.replace(greedy, self.epsilon))
        self.clock.acting += time.perf_counter() - began
        played = self.collector.playing
        try:
            self._learn(sampler)
        finally:
            began = time.perf_counter()
            games = self.collector.receive()
            self.clock.waiting += time.perf_counter() - began
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
            self.clock.sampling += middle - began
            self.clock.updating += time.perf_counter() - middle
            self.progress.owed -= self.settings.update_period

    @property
    def epsilon(self) -> float:
        """The share of random actions now."""
        s = self.settings
        if self.progress.explored:
            return float(s.epsilon_final)
        return linear(
            float(s.epsilon_start), float(s.epsilon_final), s.epsilon_steps, self.progress.steps
        )

    def _episode(self, game: Game) -> EpisodeEnded:
        """Count a finished game."""
        p = self.progress
        p.episodes += 1
        p.returns = [*p.returns, game.ret][-WINDOW:]
        p.lengths = [*p.lengths, game.length][-WINDOW:]
        return EpisodeEnded(
            *self.now, p.episodes, game.ret, game.length, game.truncated, *self._means()
        )

    def _updated(self) -> Iterator[Updated]:
        """The means of the last block of updates, once it is full."""
        (updates, steps, seconds), period = self._told, self.settings.log_updates
        if self.learner.updates // period == updates // period:
            return
        self._told = self.learner.updates, self.progress.steps, self.clock.total
        fps = (self.progress.steps - steps) / max(self.clock.total - seconds, 1e-9)
        means = self._means() if self.progress.returns else (None, None)
        yield Updated(
            *self.now, *self.learner.metrics(), self.learner.learning_rate, self.epsilon, fps,
            self.progress.episodes, *means,
        )  # fmt: skip

    def _means(self) -> tuple[float, float]:
        p = self.progress
        return sum(p.returns) / len(p.returns), sum(p.lengths) / len(p.lengths)


def _replay(settings: TrainSettings, device: torch.device) -> Replay:
    s = settings
    return Replay(
        s.replay_frames,
        s.num_envs,
        n_step=s.n_step,
        gamma=s.gamma,
        sign_rewards=s.sign_rewards,
        device=device,
    )
