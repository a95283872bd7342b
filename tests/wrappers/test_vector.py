"""Many environments: N of them equal N single ones, in every autoreset mode."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import nn

from sap_rl import AdversarialObservation, AdversarialVectorObservation, UsageError, sap

N = 3
SHAPE = (3, 6, 5)
MODES = list(AutoresetMode)


class Singles:
    """N single environments, driven as a vector of the given mode would drive them: naive."""

    def __init__(self, envs: list[gymnasium.Env[Any, Any]], mode: AutoresetMode) -> None:
        self.envs, self.mode = envs, mode
        self.done = [False] * len(envs)
        self.final: list[np.ndarray | None] = [None] * len(envs)

    def reset(self, seed: int) -> np.ndarray:
        self.done = [False] * len(self.envs)
        return np.stack([env.reset(seed=seed + i)[0] for i, env in enumerate(self.envs)])

    def step(self, actions: np.ndarray) -> np.ndarray:
        seen = []
        for i, env in enumerate(self.envs):
            if self.done[i] and self.mode == AutoresetMode.NEXT_STEP:
                seen.append(env.reset()[0])
                self.done[i] = False
                continue
            obs, _, terminated, truncated, _ = env.step(actions[i])
            self.done[i] = terminated or truncated
            self.final[i] = obs if self.done[i] else None
            if self.done[i] and self.mode == AutoresetMode.SAME_STEP:
                obs, self.done[i] = env.reset()[0], False
            seen.append(obs)
        return np.stack(seen)


OPTIONS: dict[str, dict[str, Any]] = {
    "fgsm": {},
    "margin": {"objective": "margin", "observation": "float"},
    "pgd": {"attack": "pgd", "steps": 3, "random_start": False},
    "none": {"attack": "none"},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("frames", ["all", "newest"])
@pytest.mark.parametrize("mode", MODES)
def test_a_vector_equals_singles(
    mode: AutoresetMode, frames: Any, options: dict[str, Any], flicker: Any, exact_q: Any
) -> None:
    options = options | {"frames": frames, "lam": 9}
    victim = exact_q(SHAPE)
    naive = Singles([AdversarialObservation(flicker(), victim, **options) for _ in range(N)], mode)
    vector = AdversarialVectorObservation(
        SyncVectorEnv([flicker] * N, autoreset_mode=mode), victim, **options
    )
    rng = np.random.default_rng(1)
    obs, _ = vector.reset(seed=4)
    np.testing.assert_array_equal(obs, naive.reset(4))
    ended = 0
    for _ in range(40):
        actions = rng.integers(3, size=N)
        obs, _, terminated, truncated, info = vector.step(actions)
        np.testing.assert_array_equal(obs, naive.step(actions))
        assert obs.dtype == vector.single_observation_space.dtype
        assert obs in vector.observation_space
        done = terminated | truncated
        ended += int(done.sum())
        if mode == AutoresetMode.SAME_STEP and done.any():
            for i in range(N):
                np.testing.assert_array_equal(info["final_obs"][i], naive.final[i])
        if mode == AutoresetMode.DISABLED and done.any():
            obs, _ = vector.reset(options={"reset_mask": done})
            for i in np.flatnonzero(done):
                np.testing.assert_array_equal(obs[i], naive.envs[i].reset()[0])
                naive.done[i] = False
    assert ended >= 10


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_partial_resets_leave_the_others_alone(mode: Any, flicker: Any, exact_q: Any) -> None:
    clean = SyncVectorEnv([flicker] * N, autoreset_mode=mode)
    inner = SyncVectorEnv([flicker] * N, autoreset_mode=mode)
    vector = AdversarialVectorObservation(inner, exact_q(SHAPE), frames="newest", lam=9)
    before, _ = vector.reset(seed=0)
    clean.reset(seed=0)
    mask = np.array([False, True, False])
    given = {"reset_mask": mask.copy()}
    after, info = vector.reset(seed=0, options=given)
    expected, _ = clean.reset(seed=0, options={"reset_mask": mask})
    np.testing.assert_array_equal(after[~mask], before[~mask])
    np.testing.assert_array_equal(after[1, :-1], expected[1, :-1])
    assert info["adversary"]["linf"].tolist() == [0, 9, 0]
    obs, *_ = vector.step(np.zeros(N, np.int64))
    fresh, *_ = clean.step(np.zeros(N, np.int64))
    # Everybody's older frames are those that were delivered; a seed for one reseeds nobody.
    np.testing.assert_array_equal(obs[:, :-1], after[:, 1:])
    assert np.abs(obs.astype(int) - fresh).max() == 9


def test_what_is_told(flicker: Any, exact_q: Any) -> None:
    victim = exact_q(SHAPE)
    vector = AdversarialVectorObservation(SyncVectorEnv([flicker] * N), victim, lam=5)
    clean = SyncVectorEnv([flicker] * N)
    _, info = vector.reset(seed=0)
    obs, _ = clean.reset(seed=0)
    told = info["adversary"]
    assert set(told) == {"linf", "label"}
    assert told["linf"].tolist() == [5.0] * N
    expected = victim(torch.from_numpy(obs) / 255).argmax(1)
    np.testing.assert_array_equal(told["label"], expected.numpy())
    _, reward, *_ = vector.step(np.array([0, 1, 2]))
    assert reward.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("frames", ["all", "newest"])
def test_reset_with_a_seed_repeats_everything(
    frames: Any, flicker: Any, small_network: nn.Module
) -> None:
    victim = sap(small_network, percent=50, seed=0)
    envs = SyncVectorEnv([flicker] * N)
    vector = AdversarialVectorObservation(envs, victim, attack="pgd", steps=2, frames=frames)

    def play(seed: Any) -> np.ndarray:
        seen = [vector.reset(seed=seed)[0]]
        return np.stack(seen + [vector.step(np.zeros(N, np.int64))[0] for _ in range(12)])

    first = play(3)
    play(None)
    np.testing.assert_array_equal(play(3), first)
    np.testing.assert_array_equal(play([3, 4, 5]), first)  # what 3 stands for
    assert not np.array_equal(play(4), first)


def test_what_the_player_does_with_its_frames_is_forgotten(flicker: Any, exact_q: Any) -> None:
    options = {"frames": "newest", "lam": 9}
    played, kept = (
        AdversarialVectorObservation(SyncVectorEnv([flicker] * N), exact_q(SHAPE), **options)
        for _ in range(2)
    )
    played.reset(seed=0)[0][:] = 7
    kept.reset(seed=0)
    for _ in range(10):
        mine, *_ = played.step(np.zeros(N, np.int64))
        yours, *_ = kept.step(np.zeros(N, np.int64))
        np.testing.assert_array_equal(mine, yours)
        mine[:] = 7


def test_wrong_spaces_are_refused(exact_q: Any) -> None:
    with pytest.raises(UsageError, match="observations must be a Box of pixels"):
        AdversarialVectorObservation(gymnasium.make_vec("CartPole-v1", num_envs=2), exact_q((4,)))
