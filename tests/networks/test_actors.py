"""Actors of Stable-Baselines3, from zips and as models, beside the library itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import QRDQN, RecurrentPPO
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack
from torch import nn

from sap_rl import UsageError, load_agent, make_atari
from sap_rl.agents import Agent
from sap_rl.networks.actors import chances, sampled, total_variation
from sap_rl.networks.nature import nature_network
from sap_rl.networks.reading.files import read_weights
from sap_rl.networks.unplayable import unplayable
from sap_rl.wrappers.sb3 import AdversarialVecEnv
from tests.networks.test_modules import Noise

PIXELS = np.random.default_rng(0).integers(256, size=(24, 4, 84, 84), dtype=np.uint8)
APART: dict[str, Any] = {"policy_kwargs": {"share_features_extractor": False}}


class Short(Noise):
    """Games of nine steps, whose action is their reward."""

    def reset(self, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        self.left = 9
        return super().reset(**options)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.left -= 1
        return self._frame(), float(action), self.left == 0, False, {}


@pytest.fixture(scope="module")
def venv() -> VecFrameStack:
    return VecFrameStack(DummyVecEnv([Short, Short]), 4)


def made(kind: str, venv: VecFrameStack) -> Any:
    """A model whose actions differ from frame to frame."""
    small: dict[str, Any] = {"n_steps": 2, "seed": 0, "device": "cpu"}
    model: Any
    match kind:
        case "qrdqn":
            model = QRDQN("CnnPolicy", venv, buffer_size=4, seed=0, device="cpu")
            head = model.quantile_net.quantile_net[-1]
        case "a2c":
            model = A2C("CnnPolicy", venv, **small)
            head = model.policy.action_net
        case _:
            options = APART if kind == "ppo, apart" else {}
            model = PPO("CnnPolicy", venv, batch_size=4, **small, **options)
            head = model.policy.action_net
    with torch.no_grad():  # none of them is the likeliest whatever it sees
        head.weight.mul_(100.0)
        seen: list[torch.Tensor] = []
        hook = head.register_forward_hook(lambda _module, _args, found: seen.append(found))
        model.predict(PIXELS)
        hook.remove()
        head.bias.sub_(seen[0].mean(0))
    return model


@pytest.fixture(scope="module", params=["ppo", "ppo, apart", "a2c", "qrdqn"])
def model(request: pytest.FixtureRequest, venv: VecFrameStack) -> Any:
    return made(request.param, venv)


def loaded(model: Any, how: str, folder: Path) -> Agent:
    if how == "zip":
        model.save(folder / "theirs.zip")
        return load_agent(folder / "theirs.zip", preprocess={"first_actions": 6})
    return load_agent(model if how == "model" else model.policy)


def same_as_library(agent: Agent, model: Any, pixels: np.ndarray) -> None:
    expected, _ = model.predict(pixels, deterministic=True)
    assert agent.predict(pixels)[0].tolist() == expected.tolist()
    assert len(set(expected.tolist())) > 1
    if isinstance(model, QRDQN):
        assert agent.scores == "values"
        return
    assert agent.scores == "logits"
    with torch.no_grad():
        theirs = model.policy.get_distribution(torch.from_numpy(pixels)).distribution.probs.numpy()
    # 1e-5: logits to six digits.
    np.testing.assert_allclose(chances(agent.q_values(pixels)), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("how", ["zip", "model", "policy"])
def test_actions_are_the_librarys_own(how: str, model: Any, tmp_path: Path) -> None:
    same_as_library(loaded(model, how, tmp_path), model, PIXELS)


def test_an_actor_is_defended_as_a_module_and_as_a_zip(venv: VecFrameStack, tmp_path: Path) -> None:
    """The same activations of the same network, in the same places."""
    ppo = made("ppo", venv)
    agents = [loaded(ppo, how, tmp_path) for how in ("model", "zip")]
    plain = agents[0].q_values(PIXELS)
    pruned = [agent.defend("sap-100", seed=0).q_values(PIXELS) for agent in agents]
    assert not torch.allclose(pruned[0], plain, atol=1e-2)
    # 1e-4: both divide by 255, then sum in another order.
    torch.testing.assert_close(*pruned, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_actions_on_recorded_frames(model: Any, tmp_path: Path) -> None:
    envs = make_atari("Pong", 4)
    envs.reset(seed=0)
    actions = np.random.default_rng(0).integers(6, size=(250, 4))
    pixels = np.concatenate([envs.step(row)[0].copy() for row in actions])
    envs.close()
    agent = loaded(model, "zip", tmp_path)
    expected, _ = model.predict(pixels, deterministic=True)
    assert len(pixels) == 1000
    assert agent.predict(pixels)[0].tolist() == expected.tolist()


@pytest.mark.parametrize("deterministic", [True, False])
def test_evaluate_policy_on_attacked_games(deterministic: bool, venv: VecFrameStack) -> None:
    """The library's model and our agent of it, in the library's own loop."""
    ppo = made("ppo", venv)
    attacked = AdversarialVecEnv(venv, victim=ppo, attack="fgsm", lam=8.0)
    agent = load_agent(ppo)
    for player in (ppo, agent):
        mean, _ = evaluate_policy(
            player, attacked, n_eval_episodes=2, deterministic=deterministic, warn=False
        )
        assert 0.0 <= mean <= 9 * 5


class Joystick(Short):
    action_space = spaces.Box(-1.0, 1.0, (2,))  # type: ignore[assignment]

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        return super().step(0)


def refused(given: Any, folder: Path) -> list[str]:
    """What is said of a model, and of its zip."""
    given.save(folder / "theirs.zip")
    said = []
    for ref in (given, folder / "theirs.zip"):
        with pytest.raises(UsageError) as refusal:
            load_agent(ref)
        said.append(str(refusal.value))
        assert "\n" not in said[-1]
    return said


def test_a_recurrent_and_a_continuous_actor_are_named(venv: VecFrameStack, tmp_path: Path) -> None:
    small = {"n_steps": 2, "batch_size": 4, "device": "cpu"}
    recurrent = RecurrentPPO("CnnLstmPolicy", venv, **small)
    for said in refused(recurrent, tmp_path):
        assert "recurrent agent (LSTM)" in said
        assert "VecFrameStack" in said
    joystick = VecFrameStack(DummyVecEnv([Joystick, Joystick]), 4)
    for said in refused(PPO("CnnPolicy", joystick, **small), tmp_path):
        assert "continuous actions" in said
    deep = PPO("CnnPolicy", venv, **small, policy_kwargs={"net_arch": [8]})
    said = refused_zip(deep, tmp_path)
    assert "net_arch" in said
    assert load_agent(deep).num_actions == 6  # the model itself is played


def refused_zip(given: Any, folder: Path) -> str:
    given.save(folder / "theirs.zip")
    with pytest.raises(UsageError) as refusal:
        load_agent(folder / "theirs.zip")
    return str(refusal.value)


OTHERS = {
    "Rainbow": ({"features.0.weight": 1, "advantage.weight_mu": 1, "advantage.weight_sigma": 1},
                "noisy layers"),
    "IQN": ({"model.embed_model.net.model.0.weight": 1}, "implicit quantile"),
    "IMPALA": ({"network.0.conv_seqs.0.res_block0.conv0.weight": 1}, "residual blocks"),
    "torchbeast": ({"feat_convs.0.0.weight": 1, "resnet1.0.1.weight": 1}, "residual blocks"),
    "LSTM": ({"core.weight_ih_l0": 1, "policy.weight": 1}, "recurrent"),
    "CleanRL's LSTM": ({"network.0.weight": 1, "lstm.weight_hh_l0": 1, "actor.weight": 1}, "LSTM"),
    "Gaussian": ({"actor_mean.0.weight": 1, "actor_logstd": 1}, "continuous actions"),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_agents_that_are_not_played_are_named(kind: str, tmp_path: Path) -> None:
    names, words = OTHERS[kind]
    torch.save({name: torch.zeros(2, 2) for name in names}, tmp_path / "theirs.pt")
    with pytest.raises(UsageError, match=words.replace("(", r"\(")) as refusal:
        load_agent(tmp_path / "theirs.pt")
    assert "pass a module" in str(refusal.value) or "VecFrameStack" in str(refusal.value)
    assert unplayable(read_weights(tmp_path / "theirs.pt").tensors) in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'model_checkpoint_path: "tf_ckpt-199"\n', "TensorFlow"),
        (b"\0" * 200 + bytes.fromhex("57fb808b247547db"), "TensorFlow"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "Keras"),
    ],
)
def test_files_of_dopamine_and_keras_are_named(data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(data)
    with pytest.raises(UsageError, match=words):
        load_agent(str(tmp_path / "theirs"))


def test_a_module_says_that_it_gives_logits() -> None:
    network = nature_network(6)
    assert load_agent(network).scores == "values"
    assert load_agent(network, scores="logits").scores == "logits"
    with pytest.raises(UsageError, match="unknown scores 'chances'; choose from values, logits"):
        load_agent(network, scores="chances")
    with pytest.raises(UsageError, match="scores goes with a module"):
        load_agent("BankHeist", scores="logits")


class Thirds(nn.Module):
    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return torch.log(torch.tensor([0.5, 0.5, 0.0, 1.0])).expand(len(obs), 4) + obs.sum() * 0


def test_samples_follow_the_logits() -> None:
    logits = Thirds()(torch.zeros(4000, 1))
    found = np.bincount(sampled(logits, np.random.default_rng(0)), minlength=4) / 4000
    # 4 standard errors.
    np.testing.assert_allclose(found, [0.25, 0.25, 0.0, 0.5], atol=4 * (0.25 / 4000) ** 0.5)


def test_total_variation_by_hand() -> None:
    first = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    second = np.array([[0.5, 0.5, 0.0], [0.5, 0.3, 0.2], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(total_variation(first, second), [0.0, 0.3, 1.0])
