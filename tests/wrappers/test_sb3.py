"""Stable-Baselines3 both ways: its networks here, our agents and attacks there."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import ale_py
import gymnasium
import numpy as np
import pytest
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports gym-era modules
    from stable_baselines3 import DQN
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecTransposeImage

from sap_rl import AdversarialVectorObservation, Agent, UsageError, load_agent, wrappers
from sap_rl.wrappers import AdversarialVecEnv

gymnasium.register_envs(ale_py)


def breakout(num_envs: int = 1) -> VecFrameStack:
    return VecFrameStack(make_atari_env("BreakoutNoFrameskip-v4", n_envs=num_envs, seed=0), 4)


def dqn(envs: Any) -> DQN:
    return DQN("CnnPolicy", envs, buffer_size=300, learning_starts=40, batch_size=8, seed=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[DQN, Path]:
    """A network that Stable-Baselines3 trained for a moment, and the zip that it saved."""
    path = tmp_path_factory.mktemp("sb3") / "dqn.zip"
    envs = breakout()
    model = dqn(envs).learn(120)
    model.save(path)
    envs.close()
    return model, path


@pytest.fixture(scope="module")
def theirs(trained: tuple[DQN, Path]) -> Agent:
    return load_agent(trained[1], game="Breakout")


def test_the_zip_plays_as_stable_baselines3_does(trained: tuple[DQN, Path], theirs: Agent) -> None:
    """The same actions on 1,000 observations that it recorded."""
    model, envs = trained[0], breakout(4)
    rng = np.random.default_rng(0)
    seen = [envs.reset().copy()]
    for _ in range(249):
        seen.append(envs.step(rng.integers(4, size=4))[0].copy())
    envs.close()
    obs = np.concatenate(seen)
    assert obs.shape == (1000, 84, 84, 4)
    expected = np.concatenate([model.predict(part, deterministic=True)[0] for part in seen])
    found = np.concatenate([theirs.predict(part)[0] for part in seen])
    np.testing.assert_array_equal(found, expected)
    tensor, _ = model.policy.obs_to_tensor(obs[:64])
    with torch.no_grad():
        values = model.q_net(tensor)
    # 1e-6: the same sums in another memory layout.
    torch.testing.assert_close(
        theirs.q_values(np.moveaxis(obs[:64], -1, 1)), values.cpu(), rtol=0, atol=1e-6
    )


def test_our_agents_through_its_evaluation(theirs: Agent) -> None:
    """A plain agent and a defended one; nothing switches SAP off."""
    envs = breakout()
    returns, lengths = evaluate_policy(theirs, envs, n_eval_episodes=1, return_episode_rewards=True)
    assert lengths[0] > 1
    defended = theirs.defend("sap-100", seed=0)
    twin = theirs.defend("sap-100", seed=0)
    evaluate_policy(defended, envs, n_eval_episodes=1, deterministic=True)
    envs.close()
    frames = np.random.default_rng(0).integers(256, size=(2, 4, 84, 84), dtype=np.uint8)
    assert not torch.equal(defended.q_values(frames), twin.q_values(frames)), "its stream moved"
    assert len(returns) == 1


class Pictures(gymnasium.Env[np.ndarray, np.int64]):
    """Stacks of random pictures [H, W, K], episodes of three steps."""

    observation_space = gymnasium.spaces.Box(0, 255, (40, 44, 4), np.uint8)
    action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.left, self.stack = 3, np.zeros((40, 44, 4), np.uint8)
        return self._look(), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.left -= 1
        return self._look(), 1.0, self.left == 0, False, {}

    def _look(self) -> np.ndarray:
        new = self.np_random.integers(256, size=(40, 44, 1), dtype=np.uint8)
        self.stack = np.concatenate([self.stack[..., 1:], new], -1)
        return self.stack


def pictures(num_envs: int = 2) -> DummyVecEnv:
    return DummyVecEnv([Pictures] * num_envs)


@pytest.mark.parametrize("channels", ["last", "first"])
def test_every_observation_is_attacked(channels: str, exact_q: Any) -> None:
    clean, victim = pictures(), exact_q((4, 40, 44), 3)
    under: Any = pictures()
    if channels == "first":
        clean, under = VecTransposeImage(clean), VecTransposeImage(under)
    envs = AdversarialVecEnv(under, victim, lam=3)
    assert envs.observation_space.shape == clean.observation_space.shape
    assert envs.observation_space.dtype == np.uint8
    for vec in (clean, envs):
        vec.seed(5)
    pairs = [(clean.reset(), envs.reset())]
    ends = 0
    for _ in range(7):
        (obs, rewards, dones, infos), attacked = (
            vec.step(np.zeros(2, np.int64)) for vec in (clean, envs)
        )
        pairs.append((obs, attacked[0]))
        np.testing.assert_array_equal(attacked[1], rewards)
        np.testing.assert_array_equal(attacked[2], dones)
        for ours, plain in zip(attacked[3], infos, strict=True):
            assert ours["adversary"]["linf"] == 3
            if "terminal_observation" in plain:
                ends += 1
                pairs.append((plain["terminal_observation"], ours["terminal_observation"]))
    assert ends == 4
    for plain, tampered in pairs:
        assert tampered.dtype == np.uint8
        assert tampered.shape == plain.shape
        assert int(np.abs(tampered.astype(int) - plain).max()) == 3


def test_it_attacks_as_the_vector_wrapper_does(exact_q: Any) -> None:
    """Channels last is a matter of layout only."""
    victim = exact_q((4, 40, 44), 3)
    envs = AdversarialVecEnv(pictures(1), victim, lam=2, frames="newest")
    envs.seed(3)
    first = envs.reset()

    class Upright(gymnasium.ObservationWrapper[Any, Any, Any]):
        observation_space = gymnasium.spaces.Box(0, 255, (4, 40, 44), np.uint8)

        def observation(self, observation: np.ndarray) -> np.ndarray:
            return np.moveaxis(observation, -1, 0)

    vector = AdversarialVectorObservation(
        gymnasium.vector.SyncVectorEnv([lambda: Upright(Pictures())]), victim, lam=2,
        frames="newest",
    )  # fmt: skip
    np.testing.assert_array_equal(np.moveaxis(first, -1, 1), vector.reset(seed=3)[0])
    for _ in range(2):
        ours = envs.step(np.zeros(1, np.int64))[0]
        np.testing.assert_array_equal(
            np.moveaxis(ours, -1, 1), vector.step(np.zeros(1, np.int64))[0]
        )


def test_its_dqn_trains_and_is_evaluated_under_attack(theirs: Agent) -> None:
    envs = AdversarialVecEnv(breakout(), theirs, lam=4)
    model = dqn(envs).learn(60)
    obs = envs.reset()
    assert envs.reset_infos[0]["adversary"]["linf"] == 4
    assert envs.observation_space.contains(obs[0])
    returns, _ = evaluate_policy(model, envs, n_eval_episodes=1, return_episode_rewards=True)
    assert len(returns) == 1
    evaluate_policy(theirs.defend("sap-100", seed=1), envs, n_eval_episodes=1)
    envs.close()


def test_refused() -> None:
    cart = DummyVecEnv([lambda: gymnasium.make("CartPole-v1")])
    with pytest.raises(UsageError, match=r"observations must be stacked pixels \[H, W, K\]"):
        AdversarialVecEnv(cart, lambda obs: obs)
    with pytest.raises(AttributeError, match="no attribute 'AdversarialVecEnvs'"):
        wrappers.AdversarialVecEnvs  # noqa: B018


def test_missing_extra_is_one_clear_line() -> None:
    """As if Stable-Baselines3 were not installed."""
    code = (
        "import sys; sys.modules['stable_baselines3'] = None\n"
        "import sap_rl\n"
        "try: from sap_rl.wrappers import AdversarialVecEnv\n"
        "except sap_rl.UsageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("pip install 'sap-rl[sb3]'")
