"""The world: pixels, rewards, lives, caps, seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation

from sap_rl import Preprocess, Protocol, UsageError, make_atari

NO_NOOPS = Protocol(noop_max=0)


class Fire(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Presses FIRE for one emulator frame after a reset, as ale-py's vector environment does."""

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        obs, info = self.env.reset(**options)
        meanings = self.env.unwrapped.get_action_meanings()  # type: ignore[attr-defined]
        if "FIRE" in meanings:
            obs, _, _, _, info = self.env.step(meanings.index("FIRE"))
        return obs, info


def gymnasium_env(game: str) -> gymnasium.Env[Any, Any]:
    env = gymnasium.make(f"ALE/{game}-v5", frameskip=1, repeat_action_probability=0.0)
    small = AtariPreprocessing(Fire(env), noop_max=0, frame_skip=4, screen_size=84)
    return FrameStackObservation(small, 4, padding_type="zero")


@pytest.mark.parametrize("game", ["BankHeist", "Pong", "SpaceInvaders", "Freeway"])
def test_pixels_rewards_and_ends_equal_gymnasiums(game: str) -> None:
    ours, theirs = make_atari(game, protocol=NO_NOOPS), gymnasium_env(game)
    rng = np.random.default_rng(3)
    obs, _ = ours.reset(seed=0)
    expected, _ = theirs.reset(seed=0)
    np.testing.assert_array_equal(obs[0], expected)
    assert ours.single_action_space == theirs.action_space
    earned = 0.0
    for _ in range(150):
        action = int(rng.integers(theirs.action_space.n))  # type: ignore[attr-defined]
        obs, reward, terminated, truncated, _ = ours.step(np.array([action]))
        expected, gain, ended, cut, _ = theirs.step(action)
        np.testing.assert_array_equal(obs[0], expected)
        assert (reward[0], terminated[0], truncated[0]) == (gain, ended, cut)
        earned += abs(float(gain))
    assert earned > 0 or game in ("BankHeist", "Freeway")
    ours.close()
    theirs.close()


def play(
    envs: gymnasium.vector.VectorEnv[Any, Any, Any], steps: int, seed: int = 0
) -> Iterator[Any]:
    """Observations and what else there is, under a fixed list of actions."""
    rng = np.random.default_rng(11)
    obs, info = envs.reset(seed=seed)
    yield obs, np.zeros(envs.num_envs), info
    for _ in range(steps):
        actions = rng.integers(envs.single_action_space.n, size=1).repeat(envs.num_envs)  # type: ignore[attr-defined]
        obs, reward, terminated, truncated, info = envs.step(actions)
        yield obs, reward, info | {"terminated": terminated, "truncated": truncated}
    envs.close()


def fingerprint(envs: gymnasium.vector.VectorEnv[Any, Any, Any], seed: int) -> str:
    digest = hashlib.sha256()
    for obs, _, _ in play(envs, 100, seed):
        digest.update(obs.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize(
    ("protocol", "seed", "expected"),
    [
        (NO_NOOPS, 0, "acfad53d2ff029599ffdcaf8ecd8729104d803ff4ad73d9ed542b85da10b1955"),
        (Protocol(), 7, "1b902b6a6094c3f5af42ec7a23243f678e2e641daadd8fe0d433fede73b5fa9e"),
        (
            Protocol(sticky_actions=0.25),
            7,
            "d77e7e1cd77dde2e0bdb665a9595fef0f19e1323732bfcaf55b1c48bcf9597f4",
        ),
    ],
)
def test_golden_frames(protocol: Protocol, seed: int, expected: str) -> None:
    """If this changes, every network sees another game: say so in CHANGELOG under [results]."""
    assert fingerprint(make_atari("BankHeist", 2, protocol=protocol), seed) == expected


def test_nothing_sticks_by_default() -> None:
    """Without no-ops and sticky actions the seed decides nothing at all."""
    (first, second) = (fingerprint(make_atari("Pong", protocol=NO_NOOPS), seed) for seed in (0, 1))
    assert first == second
    sticky = Protocol(noop_max=0, sticky_actions=0.25)
    assert fingerprint(make_atari("Pong", protocol=sticky), 0) != first


def test_no_ops_depend_on_the_seed() -> None:
    envs = make_atari("BankHeist", 6)
    starts = envs.reset(seed=0)[1]["episode_frame_number"].tolist()
    assert len(set(starts)) > 2
    assert max(starts) <= 31  # FIRE, and at most 30 no-ops
    shifted = envs.reset(seed=2)[1]["episode_frame_number"].tolist()
    envs.close()
    assert shifted[:4] == starts[2:]


def test_rewards_are_the_games_own() -> None:
    rewards = {float(reward[0]) for _, reward, _ in play(make_atari("SpaceInvaders"), 200)}
    assert max(rewards) >= 5


def test_lives_do_not_end_episodes() -> None:
    lives, ended = [], []
    for _, _, info in play(make_atari("Breakout", protocol=NO_NOOPS), 400):
        lives.append(int(info["lives"][0]))
        ended.append(bool(info.get("terminated", [False])[0]))
        if ended[-1]:
            break
    assert lives[0] == 5
    assert {4, 3, 2, 1} <= set(lives)
    assert ended.index(True) == len(ended) - 1
    assert lives[-1] == 0


def test_the_cap_counts_emulator_frames() -> None:
    envs = make_atari("BankHeist", protocol=Protocol(noop_max=0, max_frames=100))
    cut = [bool(info.get("truncated", [False])[0]) for _, _, info in play(envs, 30)]
    assert cut.index(True) == 25
    assert cut[26:] == [False] * 5  # NEXT_STEP: the step after the end begins the next episode


def test_what_a_network_sees() -> None:
    sees = Preprocess(frames=2, height=40, width=60, frameskip=2, full_action_space=True)
    envs = make_atari("Pong", 3, preprocess=sees)
    obs, _ = envs.reset(seed=0)
    assert obs.shape == (3, *sees.shape) == (3, 2, 40, 60)
    assert obs.dtype == np.uint8
    assert envs.single_action_space.n == 18  # type: ignore[attr-defined]
    before = envs.step(np.zeros(3, np.int64))[-1]["episode_frame_number"]
    after = envs.step(np.zeros(3, np.int64))[-1]["episode_frame_number"]
    assert (after - before).tolist() == [2, 2, 2]
    envs.close()
    assert make_atari("Pong").single_action_space.n == 6  # type: ignore[attr-defined]


def test_the_newest_frame_is_last() -> None:
    stacks = [obs for obs, _, _ in play(make_atari("Pong"), 12)]
    for before, after in pairwise(stacks):
        np.testing.assert_array_equal(after[:, :-1], before[:, 1:])


@pytest.mark.parametrize("options", [{"num_envs": 0}, {"num_threads": -1}])
def test_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="must be at least 1, got"):
        make_atari("Pong", **options)
