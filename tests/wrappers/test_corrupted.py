"""Environments seen through a camera, by gymnasium, its vectors and Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv

from sap_rl import CORRUPTIONS, CorruptedObservation, CorruptedVectorObservation, UsageError
from sap_rl.wrappers import CorruptedVecEnv


def play(env: Any, steps: int = 20) -> list[np.ndarray]:
    found = [env.reset(seed=3)[0]]
    for step in range(steps):
        obs, _, over, _, _ = env.step(step % 5)
        found.append(obs)
        if over:
            found.append(env.reset()[0])
    return found


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_new_frame_is_spoilt_once(name: str, flicker: Any) -> None:
    """It stays so in the stack; what stands before an episode stays black."""
    severity = CORRUPTIONS[name].severity.suite[0]
    if CORRUPTIONS[name].severity.unit == "pixels":
        severity = 1
    env = CorruptedObservation(flicker(), name, severity)
    first, info = env.reset(seed=3)
    assert not first[:-1].any()
    assert set(info["camera"]) == {"linf"}
    before = first
    for _ in range(2):
        obs, *_ = env.step(0)
        np.testing.assert_array_equal(obs[:-1], before[1:])
        before = obs
    for a, b in zip(play(env), play(env), strict=True):
        np.testing.assert_array_equal(a, b)


def test_by_hand(flicker: Any) -> None:
    clean, env = flicker(), CorruptedObservation(flicker(), "shift", 2)
    before, (obs, info) = clean.reset(seed=1)[0], env.reset(seed=1)
    np.testing.assert_array_equal(obs[-1, 2:], before[-1, :-2])
    assert not obs[-1, :2].any()
    assert info["camera"]["linf"] == np.abs(obs.astype(float) - before).max()


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_vectors_and_stable_baselines3_see_the_same(mode: AutoresetMode, flicker: Any) -> None:
    envs = SyncVectorEnv([flicker] * 3, autoreset_mode=mode)
    vector = CorruptedVectorObservation(envs, "brightness", 20)
    clean = SyncVectorEnv([flicker] * 3, autoreset_mode=mode)
    obs, plain = vector.reset(seed=5)[0], clean.reset(seed=5)[0]
    for step in range(12):
        newest = np.minimum(plain[:, -1].astype(int) + 20, 255)
        np.testing.assert_array_equal(obs[:, -1], newest)
        actions = np.full(3, step % 5)
        obs, _, _, _, info = vector.step(actions)
        plain = clean.step(actions)[0]
    assert info["camera"]["linf"].shape == (3,)


def test_a_vec_env_keeps_its_layout(flicker: Any) -> None:
    class Last(gymnasium.ObservationWrapper):  # type: ignore[misc, type-arg]
        """Channels last, as the image policies like it."""

        def __init__(self, env: Any) -> None:
            super().__init__(env)
            self.observation_space = gymnasium.spaces.Box(0, 255, (6, 5, 3), np.uint8)

        def observation(self, observation: np.ndarray) -> np.ndarray:
            return np.moveaxis(observation, 0, -1)

    venv, clean = (DummyVecEnv([lambda: Last(flicker())] * 2) for _ in range(2))
    seen = CorruptedVecEnv(venv, "contrast", 100)
    seen.seed(4)
    clean.seed(4)
    obs, plain = seen.reset(), clean.reset()
    assert obs.shape == plain.shape == (2, 6, 5, 3)
    assert (obs[..., -1] == 128).all()
    obs, _, _, infos = seen.step(np.zeros(2, np.int64))
    assert (obs[..., -1] == 128).all()
    assert infos[0]["camera"]["linf"] >= 0


def test_what_cannot_be(flicker: Any) -> None:
    with pytest.raises(UsageError, match="up to 180, got 200"):
        CorruptedObservation(flicker(), "rotate", 200)
    with pytest.raises(UsageError, match="frames of 6x5 pixels; at most 4"):
        CorruptedObservation(flicker(), "occlude", 5)
