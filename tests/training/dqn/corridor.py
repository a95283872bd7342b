"""A world whose optimal action values are known: a corridor of three cells."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from torch import nn

CELLS = 3
BAND = 84 // CELLS
LEFT, RIGHT = 0, 1


class Corridor:
    """Vector of corridors with AtariVectorEnv's interface: send, recv, autoreset NEXT_STEP.

    Leaving the last cell to the right pays 5 and ends the game; `cap` steps truncate it. The frame
    shows the cell as a bright band, and the step in its first pixels. Every `life` steps a life is
    lost (0: never).
    """

    def __init__(self, num_envs: int, *, cap: int = 20, life: int = 0) -> None:
        self.num_envs, self.cap, self.life = num_envs, cap, life
        self.single_action_space = gymnasium.spaces.Discrete(2)
        self.closed = False

    def reset(self, *, seed: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        self.rngs = [np.random.default_rng(int(s)) for s in seed]
        self.cell = np.zeros(self.num_envs, np.int64)
        self.step = np.zeros(self.num_envs, np.int64)
        self.over = np.zeros(self.num_envs, np.bool_)
        self.stack = np.zeros((self.num_envs, 4, 84, 84), np.uint8)
        for env in range(self.num_envs):
            self._begin(env)
        return self.stack.copy(), self._info()

    def send(self, actions: np.ndarray) -> None:
        self.actions = actions.copy()

    def recv(self) -> tuple[Any, ...]:
        reward = np.zeros(self.num_envs)
        terminated = np.zeros(self.num_envs, np.bool_)
        truncated = np.zeros(self.num_envs, np.bool_)
        for env, action in enumerate(self.actions.tolist()):
            if self.over[env]:
                self._begin(env)
                continue
            self.step[env] += 1
            if action == RIGHT and self.cell[env] == CELLS - 1:
                reward[env], terminated[env] = 5.0, True
            else:
                self.cell[env] = np.clip(self.cell[env] + (1 if action else -1), 0, CELLS - 1)
                truncated[env] = self.step[env] >= self.cap
            self._show(env)
        self.over = terminated | truncated
        return self.stack.copy(), reward, terminated, truncated, self._info()

    def close(self) -> None:
        self.closed = True

    def _begin(self, env: int) -> None:
        self.cell[env], self.step[env] = self.rngs[env].integers(CELLS), 0
        self.stack[env] = 0
        self._show(env)

    def _show(self, env: int) -> None:
        self.stack[env, :-1] = self.stack[env, 1:]
        frame = np.zeros((84, 84), np.uint8)
        low = int(self.cell[env]) * BAND
        frame[low : low + BAND] = 255
        frame[:, -1] = self.step[env] + 1
        self.stack[env, -1] = frame

    def _info(self) -> dict[str, Any]:
        lives = 9 - self.step // self.life if self.life else np.zeros(self.num_envs)
        return {"lives": np.array(lives, np.int32)}


def optimal_values(gamma: float) -> np.ndarray:
    """Q* [CELLS, 2] with rewards clipped to 1."""
    value = gamma ** (CELLS - 1 - np.arange(CELLS))
    return np.stack([gamma * value[np.maximum(np.arange(CELLS) - 1, 0)], value], axis=1)


def small_network(num_actions: int, seed: int, _settings: object = None) -> nn.Module:
    """Sees bands; trains in a millisecond."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.AvgPool2d(BAND), nn.Flatten(), nn.Linear(36, 64), nn.ReLU(),
            nn.Linear(64, num_actions),
        )  # fmt: skip
