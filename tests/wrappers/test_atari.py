"""Real games: N environments equal N single ones, ale-py's and gymnasium's alike."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation

from sap_rl import (
    AdversarialObservation,
    AdversarialVectorObservation,
    Agent,
    Protocol,
    make_atari,
)

N = 3
SHORT = Protocol(noop_max=0, max_frames=120)


@pytest.mark.parametrize("frames", ["all", "newest"])
@pytest.mark.parametrize("game", ["Breakout", "Pong"])
def test_atari_vector_equals_singles(game: str, frames: Any, exact_q: Any) -> None:
    """NEXT_STEP, with ends after 30 steps; seeds, no-ops and actions differ between rows."""
    victim = exact_q((4, 84, 84), {"Breakout": 4, "Pong": 6}[game])
    options = {"frames": frames, "lam": 3}
    protocol = Protocol(noop_max=30, max_frames=120)
    many = AdversarialVectorObservation(make_atari(game, N, protocol=protocol), victim, **options)
    ones = [
        AdversarialVectorObservation(make_atari(game, 1, protocol=protocol), victim, **options)
        for _ in range(N)
    ]
    rng = np.random.default_rng(2)
    obs, _ = many.reset(seed=6)
    singles = [one.reset(seed=6 + i)[0] for i, one in enumerate(ones)]
    np.testing.assert_array_equal(obs, np.concatenate(singles))
    ends = 0
    for _ in range(40):
        actions = rng.integers(4, size=N)
        obs, _, _, truncated, _ = many.step(actions)
        ends += int(truncated.sum())
        singles = [one.step(actions[i : i + 1])[0] for i, one in enumerate(ones)]
        np.testing.assert_array_equal(obs, np.concatenate(singles))
    assert ends == N
    for envs in (many, *ones):
        envs.close()


@pytest.mark.parametrize("game", ["Freeway", "Asterix"])
def test_atari_vector_equals_gymnasiums_environment(game: str, exact_q: Any) -> None:
    """Games without FIRE, which ale-py's vector environment would press."""
    env = gymnasium.make(f"ALE/{game}-v5", frameskip=1, repeat_action_probability=0.0)
    stacked = FrameStackObservation(AtariPreprocessing(env, noop_max=0), 4, padding_type="zero")
    victim = exact_q((4, 84, 84), {"Freeway": 3, "Asterix": 9}[game])
    single = AdversarialObservation(stacked, victim, frames="newest")
    vector = AdversarialVectorObservation(
        make_atari(game, protocol=Protocol(noop_max=0)), victim, frames="newest"
    )
    rng = np.random.default_rng(2)
    np.testing.assert_array_equal(vector.reset(seed=0)[0][0], single.reset(seed=0)[0])
    for _ in range(60):
        action = rng.integers(3)
        np.testing.assert_array_equal(vector.step(np.array([action]))[0][0], single.step(action)[0])


def test_ale_pys_arrays_of_seeds_reseed_too(exact_q: Any) -> None:
    envs = make_atari("Pong", 2)
    vector = AdversarialVectorObservation(envs, exact_q((4, 84, 84), 6), attack="noise")
    first, _ = vector.reset(seed=3)
    vector.reset()
    again, _ = vector.reset(seed=np.array([3, 4]))
    np.testing.assert_array_equal(again, first)
    vector.close()


def test_atari_in_same_step_mode(exact_q: Any) -> None:
    """ale-py gives `final_obs` in its own shape."""
    envs = AtariVectorEnv(
        "pong",
        2,
        noop_max=0,
        max_num_frames_per_episode=40,
        autoreset_mode="SameStep",
        num_threads=1,
    )
    vector = AdversarialVectorObservation(envs, exact_q((4, 84, 84), 6), frames="newest")
    last, _ = vector.reset(seed=0)
    for _ in range(12):
        obs, _, _, truncated, info = vector.step(np.zeros(2, np.int64))
        if truncated.any():
            break
        last = obs
    assert truncated.all()
    for i in range(2):
        np.testing.assert_array_equal(info["final_obs"][i][:-1], last[i, 1:])
        assert not np.array_equal(info["final_obs"][i], obs[i])
    np.testing.assert_array_equal(vector.step(np.zeros(2, np.int64))[0][:, -2], obs[:, -1])
    vector.close()


def test_real_networks_differ_by_rounding_only(agent: Agent) -> None:
    """Batch size changes the order of float32 sums, and a gradient near 0 may change its sign."""
    many = AdversarialVectorObservation(make_atari("BankHeist", N, protocol=SHORT), agent)
    ones = [
        AdversarialVectorObservation(make_atari("BankHeist", 1, protocol=SHORT), agent)
        for _ in range(N)
    ]
    rng = np.random.default_rng(2)
    obs, _ = many.reset(seed=6)
    singles = [one.reset(seed=6 + i)[0] for i, one in enumerate(ones)]
    differ, labels = [], []
    for _ in range(30):
        differ.append(float((obs != np.concatenate(singles)).mean()))
        actions = rng.integers(18, size=N)
        obs, *_, info = many.step(actions)
        stepped = [one.step(actions[i : i + 1]) for i, one in enumerate(ones)]
        singles = [step[0] for step in stepped]
        labels.append([step[-1]["adversary"]["label"][0] for step in stepped])
        assert labels[-1] == info["adversary"]["label"].tolist()
    assert max(differ) <= 1e-3  # measured: 0


def test_modes_do_not_leak_through_shared_metadata(exact_q: Any) -> None:
    """ale-py writes the mode into one dict for all environments: the last one made wins there."""
    modes = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP]
    made = [AtariVectorEnv("pong", 1, autoreset_mode=mode, num_threads=1) for mode in modes]
    assert len({id(envs.metadata) for envs in made}) == 1
    for envs, mode in zip(made, modes, strict=True):
        assert AdversarialVectorObservation(envs, exact_q((4, 84, 84), 6))._mode == mode
        envs.close()
