"""Plays the training games: from vector steps to rows of the replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sap_rl.seeds import stream_seed
from sap_rl.training.replay import CUT, ENDED, ONWARD, VOID, Replay
from sap_rl.types import ActionArray


@dataclass(frozen=True)
class Game:
    """A finished training game: its own score and its length in agent steps."""

    ret: float
    length: int
    truncated: bool


class Collector:
    """Steps a vector environment in two halves and writes what happened into the replay.

    envs: as AtariVectorEnv with autoreset NEXT_STEP: `send(actions)` and `recv()`, or `step`; the
    step after an end ignores its action, pays nothing and shows the next game's first observation.
    obs [E, K, H, W]: what they show; clean: the same without a camera that spoils it.
    life_loss: a lost life ends the bootstrap (the game goes on, and so does the frame stack).
    """

    def __init__(self, envs: Any, replay: Replay, *, life_loss: bool) -> None:
        self.envs, self.replay, self.life_loss = envs, replay, life_loss
        self.num_envs = int(envs.num_envs)

    def reset(self, seed: int, number: int) -> None:
        """Begin new games, whose seeds follow from the run's seed and the checkpoint's number."""
        seeds = [stream_seed(seed, "train-env", number, e) % 2**31 for e in range(self.num_envs)]
        self.obs, info = self.envs.reset(seed=np.array(seeds))
        self.clean = info.get("clean", self.obs)
        self.lives = np.array(info["lives"])
        self.first = np.ones(self.num_envs, np.bool_)
        self.idle = np.zeros(self.num_envs, np.bool_)
        self.returns = np.zeros(self.num_envs)
        self.lengths = np.zeros(self.num_envs, np.int64)

    @property
    def playing(self) -> int:
        """How many environments the next step is a transition for."""
        return self.num_envs - int(self.idle.sum())

    def send(self, actions: ActionArray) -> None:
        """Start a step; the emulators work until `receive`."""
        self.actions = actions
        if hasattr(self.envs, "send"):
            self.envs.send(actions)

    def receive(self) -> list[Game]:
        """Finish the step: store it, and tell which games ended."""
        both = hasattr(self.envs, "send")
        obs, reward, terminated, truncated, info = (
            self.envs.recv() if both else self.envs.step(self.actions)
        )
        lives = np.array(info["lives"])
        kind = self._kinds(terminated, truncated, lives < self.lives)
        self.replay.add(self.obs[:, -1], self.first, self.actions, reward, kind)
        played = ~self.idle
        self.returns += reward * played
        self.lengths += played
        over = (terminated | truncated) & played
        games = [
            Game(float(self.returns[e]), int(self.lengths[e]), not bool(terminated[e]))
            for e in np.flatnonzero(over)
        ]
        self.returns[over], self.lengths[over] = 0.0, 0
        self.first, self.idle = self.idle, over
        self.obs, self.clean, self.lives = obs, info.get("clean", obs), lives
        return games

    def cut(self) -> None:
        """Truncate every open game in the replay, as a boundary follows."""
        self.replay.cut(self.obs[:, -1], self.first)

    def _kinds(self, terminated: np.ndarray, truncated: np.ndarray, lost: np.ndarray) -> np.ndarray:
        ended = terminated | (lost if self.life_loss else np.False_)
        kind = np.where(ended, ENDED, np.where(truncated, CUT, ONWARD))
        return np.where(self.idle, VOID, kind).astype(np.uint8)


class Explorer:
    """Epsilon-greedy actions."""

    def __init__(self, num_actions: int, rng: np.random.Generator) -> None:
        self.num_actions, self.rng = num_actions, rng

    def replace(self, greedy: ActionArray, epsilon: float) -> ActionArray:
        """Each action [E] replaced by a uniform one with probability epsilon."""
        explore = self.rng.random(len(greedy)) < epsilon
        others = self.rng.integers(self.num_actions, size=len(greedy))
        return np.where(explore, others, greedy)
