"""Worlds whose every episode is known beforehand."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from sap_rl.play.rollout import Decision


class Counting:
    """A vector of environments with NEXT_STEP autoreset and partial resets, as AtariVectorEnv's.

    An episode of seed s lasts 1 + s % 7 steps and pays 1 a step, so its length is its return. The
    observation's first pixel counts the episode's steps. `log` holds (env, seed, step, action).
    """

    def __init__(self, num_envs: int, num_actions: int = 3) -> None:
        self.num_envs = num_envs
        self.single_action_space = gymnasium.spaces.Discrete(num_actions)
        self.seeds = np.zeros(num_envs, dtype=np.int64)
        self.steps = np.zeros(num_envs, dtype=np.int64)
        self.pending = np.zeros(num_envs, dtype=np.bool_)
        self.log: list[tuple[int, int, int, int]] = []

    @staticmethod
    def length(seed: int) -> int:
        return 1 + seed % 7

    def reset(
        self, *, seed: np.ndarray, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, dtype=np.bool_))
        assert seed.shape == (int(mask.sum()),)
        self.seeds[mask], self.steps[mask], self.pending[mask] = seed, 0, False
        return self._observe(), {}

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        reward = np.zeros(self.num_envs)
        done = np.zeros(self.num_envs, dtype=np.bool_)
        for env in range(self.num_envs):
            if self.pending[env]:  # the step after the end: the action is ignored
                self.steps[env], self.pending[env] = 0, False
                continue
            self.log.append((env, int(self.seeds[env]), int(self.steps[env]), int(actions[env])))
            self.steps[env] += 1
            reward[env] = 1.0
            done[env] = self.steps[env] >= self.length(int(self.seeds[env]))
            self.pending[env] = done[env]
        return self._observe(), reward, done, np.zeros_like(done), {}

    def close(self) -> None: ...

    def _observe(self) -> np.ndarray:
        obs = np.zeros((self.num_envs, 4, 84, 84), np.uint8)
        obs[:, 0, 0, 0] = self.steps
        return obs


class Constant:
    """Always plays `action`; notes what it was asked."""

    def __init__(self, action: int = 0) -> None:
        self.action = action
        self.asked: list[tuple[list[int], list[bool], list[int]]] = []

    def decide(self, pixels: np.ndarray, first: np.ndarray, rows: np.ndarray) -> Decision:
        self.asked.append((rows.tolist(), first.tolist(), pixels[:, 0, 0, 0].tolist()))
        return Decision(np.full(len(pixels), self.action, dtype=np.int64))
