"""Frames stacked here and not in the emulator, for what its own stack cannot show."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from ale_py.vector_env import AtariVectorEnv
from gymnasium import spaces
from gymnasium.vector.utils import batch_space

from sap_rl.atari.preprocess import Preprocess
from sap_rl.atari.screen import Lens


class RestackedAtari(gymnasium.vector.VectorWrapper):
    """An AtariVectorEnv that gives one picture at a time, seen through a Lens and stacked.

    The same contract: uint8 observations [num_envs, K, H, W], oldest frame first, fresh arrays;
    autoreset NEXT_STEP; `reset(seed=array, options={"reset_mask": mask})` starts some of them.
    lens: None where the emulator's own pictures are right as they are.
    """

    def __init__(self, envs: AtariVectorEnv, preprocess: Preprocess, lens: Lens | None) -> None:
        super().__init__(envs)
        self.preprocess, self.lens = preprocess, lens
        self.single_observation_space = spaces.Box(0, 255, preprocess.shape, np.uint8)
        self.observation_space = batch_space(self.single_observation_space, envs.num_envs)
        if preprocess.first_actions:
            self.single_action_space = spaces.Discrete(preprocess.first_actions)
            self.action_space = batch_space(self.single_action_space, envs.num_envs)
        self._stack = np.zeros((envs.num_envs, *preprocess.shape), np.uint8)
        self._done = np.zeros(envs.num_envs, np.bool_)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Reset all or, with a reset_mask, some; the others' stacks stay as they are."""
        everyone = np.ones(self.num_envs, np.bool_)
        mask = (options or {}).get("reset_mask", everyone)
        pictures, info = self.env.reset(seed=seed, options=options)
        self._begin(self._frames(pictures), mask)
        self._done[mask] = False
        return self._stack.copy(), info

    def step(
        self, actions: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Play one action in each; the step after an end begins the next episode."""
        pictures, reward, terminated, truncated, info = self.env.step(actions)
        frames = self._frames(pictures)
        self._stack = np.concatenate([self._stack[:, self.preprocess.planes :], frames], 1)
        self._begin(frames, self._done)
        self._done = terminated | truncated
        return self._stack.copy(), reward, terminated, truncated, info

    def _begin(self, frames: np.ndarray, which: np.ndarray) -> None:
        """Stacks of episodes that begin with these frames [num_envs, planes, H, W]."""
        repeated = np.tile(frames[which], (1, self.preprocess.frames, 1, 1))
        self._stack[which] = repeated if self.preprocess.fill == "repeat" else 0
        self._stack[which, -self.preprocess.planes :] = frames[which]

    def _frames(self, pictures: np.ndarray) -> np.ndarray:
        """The newest frames [num_envs, planes, H, W], from the emulator's stacks of one frame."""
        newest = pictures[:, -1]
        seen = newest if self.lens is None else self.lens(newest)
        return seen if seen.ndim == 4 else seen[:, None]
