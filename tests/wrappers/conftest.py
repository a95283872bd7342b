"""A small environment of pixels, and a victim whose gradient has the same signs in any batch."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from torch import Tensor, nn

SHAPE = (3, 6, 5)
"""Stacked frames, height, width."""


class Flicker(gymnasium.Env[np.ndarray, np.int64]):
    """Random frames, stacked as an emulator's are; episodes of 2 to 6 steps; reward: the action."""

    observation_space = gymnasium.spaces.Box(0, 255, SHAPE, np.uint8)
    action_space = gymnasium.spaces.Discrete(5)

    def _frame(self) -> np.ndarray:
        return self.np_random.integers(256, size=SHAPE[1:], dtype=np.uint8)

    def reset(
        self, *, seed: int | None = None, options: Any = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(2, 7))
        self.stack = [np.zeros(SHAPE[1:], np.uint8)] * (SHAPE[0] - 1) + [self._frame()]
        return np.stack(self.stack), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.stack = [*self.stack[1:], self._frame()]
        self.left -= 1
        return np.stack(self.stack), float(action), self.left == 0, False, {}


def make_exact_q(shape: tuple[int, ...], actions: int = 5) -> Any:
    """Linear with integer weights on exact pixels: every sum is a whole number below 2^24, so that
    no batch size and no order of addition changes a bit."""
    rng = np.random.default_rng(0)
    weight = torch.from_numpy(rng.integers(-3, 4, (actions, *shape)).astype(np.float32)).flatten(1)

    def q(obs: Tensor) -> Tensor:
        pixels = obs * 255
        whole = pixels + (pixels.round() - pixels).detach()
        return whole.flatten(1) @ weight.T / 1024

    return q


@pytest.fixture
def exact_q() -> Any:
    return make_exact_q


@pytest.fixture
def flicker() -> type[Flicker]:
    return Flicker


@pytest.fixture
def small_network() -> nn.Sequential:
    """For frames of `Flicker`, with an activation to prune; weights of a fixed seed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(90, 20), nn.ReLU(), nn.Linear(20, 5))
