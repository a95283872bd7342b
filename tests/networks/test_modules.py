"""Modules and models as people have them: taken for what they are."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import QRDQN
from stable_baselines3 import DQN
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack
from torch import Tensor, nn

from sap_rl import Preprocess, UsageError, load_agent
from sap_rl.networks.nature import nature_network
from sap_rl.wrappers.sb3 import AdversarialVecEnv
from sap_rl.wrappers.single import AdversarialObservation
from sap_rl.wrappers.skin import Skin


class Noise(gymnasium.Env[np.ndarray, np.int64]):
    """Frames of noise [84, 84, 1]; six actions that change nothing."""

    observation_space = spaces.Box(0, 255, (84, 84, 1), np.uint8)
    action_space = spaces.Discrete(6)

    def reset(self, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        self.rng = np.random.default_rng(0)
        return self._frame(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        return self._frame(), 0.0, False, False, {}

    def _frame(self) -> np.ndarray:
        return self.rng.integers(256, size=(84, 84, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def venv() -> VecFrameStack:
    return VecFrameStack(DummyVecEnv([Noise, Noise]), 4)


@pytest.fixture(scope="module")
def model(venv: VecFrameStack) -> DQN:
    return DQN("CnnPolicy", venv, buffer_size=4, seed=0)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(12, 4, 84, 84), dtype=np.uint8)


GIVEN: dict[str, Any] = {
    "model": lambda model: model,
    "policy": lambda model: model.policy,
    "network": lambda model: model.q_net,
    "compiled": lambda model: torch.compile(model.q_net, backend="eager"),
    "parallel": lambda model: nn.DataParallel(model.q_net),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_stable_baselines3_takes_pixels(kind: str, model: DQN, pixels: np.ndarray) -> None:
    agent = load_agent(GIVEN[kind](model))
    expected, _ = model.predict(pixels, deterministic=True)
    assert agent.preprocess.scale == "pixels"
    assert agent.predict(pixels)[0].tolist() == expected.tolist()


OWN: dict[str, Any] = {
    "fewer features": ("CnnPolicy", {"features_extractor_kwargs": {"features_dim": 64}}),
    "layers behind": ("CnnPolicy", {"net_arch": [8]}),
    "no convolutions": ("MlpPolicy", {"net_arch": [8]}),
}
"""Policies of Stable-Baselines3 whose zips are not read, and whose models are."""


@pytest.mark.parametrize("kind", OWN)
def test_a_policy_of_its_own_is_played_as_a_model(
    kind: str, venv: VecFrameStack, pixels: np.ndarray, tmp_path: Path
) -> None:
    policy, options = OWN[kind]
    model = DQN(policy, venv, buffer_size=4, seed=0, policy_kwargs=options)
    model.save(tmp_path / "own.zip")
    with pytest.raises(UsageError, match="pass the m"):
        load_agent(tmp_path / "own.zip")
    expected, _ = model.predict(pixels, deterministic=True)
    assert load_agent(model).predict(pixels)[0].tolist() == expected.tolist()


SAVED: dict[str, Any] = {
    "model": lambda model, path: model.save(path),
    "policy": lambda model, path: model.policy.save(path),
    "network": lambda model, path: torch.save(net_of(model).state_dict(), path),
}


def net_of(model: DQN | QRDQN) -> nn.Module:
    return model.quantile_net if isinstance(model, QRDQN) else model.q_net


@pytest.mark.parametrize("kind", SAVED)
@pytest.mark.parametrize("algorithm", [DQN, QRDQN])
def test_what_stable_baselines3_saves_plays_as_it_does(
    algorithm: Any, kind: str, venv: VecFrameStack, pixels: np.ndarray, tmp_path: Path
) -> None:
    model = algorithm("CnnPolicy", venv, buffer_size=4, seed=0)
    path = tmp_path / ("saved.zip" if kind == "model" else "saved.pt")
    SAVED[kind](model, path)
    expected, _ = model.predict(pixels, deterministic=True)
    agents = load_agent(path, game="Pong"), load_agent(model), load_agent(net_of(model))
    for agent in (*agents, load_agent(model.policy)):
        assert agent.predict(pixels)[0].tolist() == expected.tolist()


@pytest.mark.parametrize("kind", ["model", "network", "compiled"])
def test_as_victim_it_is_what_it_is_as_agent(kind: str, model: DQN, venv: VecFrameStack) -> None:
    seen = [
        AdversarialVecEnv(venv, victim, lam=8.0, attack="fgsm").reset()
        for victim in (GIVEN[kind](model), load_agent(model.q_net))
    ]
    assert np.array_equal(*seen)
    assert (seen[0] != venv.reset()).mean() > 0.5


def test_what_is_said_wins(model: DQN, pixels: np.ndarray) -> None:
    agent = load_agent(model.q_net, preprocess={"order": "newest_first"})
    assert agent.preprocess.scale == "pixels"
    assert agent.act(pixels).tolist() == load_agent(model).act(pixels[:, ::-1]).tolist()


def test_a_model_in_colour_is_asked_for(venv: VecFrameStack) -> None:
    model = DQN("CnnPolicy", VecFrameStack(venv.venv, 12), buffer_size=4, seed=0)
    with pytest.raises(UsageError, match="12 grey frames or 4 in colour: say frames=12 or grey="):
        load_agent(model)
    sees = load_agent(model, preprocess={"grey": "none"}).preprocess
    assert (sees.frames, sees.shape, sees.scale) == (4, (12, 84, 84), "pixels")
    assert load_agent(model.q_net, preprocess={"frames": 12}).preprocess.grey == "pooled"


class Prepared(nn.Module):
    """A network behind what somebody's `forward` does with its frames."""

    def __init__(self, prepare: Any, network: nn.Module | None = None) -> None:
        super().__init__()
        self.network, self.prepare = network or nature_network(6), prepare

    def forward(self, obs: Tensor) -> Tensor:
        found: Tensor = self.network(self.prepare(obs))
        return found


def fitted(mean: float, variance: float) -> nn.Module:
    norm = nn.BatchNorm2d(4)
    norm.running_mean.fill_(mean)  # type: ignore[union-attr, operator]
    norm.running_var.fill_(variance)  # type: ignore[union-attr, operator]
    return norm


def layer_of(factor: float) -> nn.Module:
    """A division that is a layer, as exporters write it."""
    layer = nn.Conv2d(4, 4, 1, groups=4, bias=False)
    nn.init.constant_(layer.weight, factor)
    return layer


SCALES: dict[str, tuple[Any, str]] = {
    "a division": (lambda x: x / 255, "pixels"),
    "of floats": (lambda x: x.float() / 255.0, "pixels"),
    "a product": (lambda x: x * (1 / 256), "pixels"),
    "-1..1": (lambda x: x.sub(127.5).div(127.5), "pixels"),
    "by the deviation": (lambda x: (x - 33) / 78, "pixels"),
    "less its mean": (lambda x: x / 255 - (x / 255).mean(), "pixels"),
    "fitted to pixels": (fitted(60, 6000), "pixels"),
    "a 1x1 convolution": (layer_of(1 / 255), "pixels"),
    "a 1x1 convolution of 0..1": (layer_of(2.0), "unit"),
    "nothing": (lambda x: x, "unit"),
    "by a deviation of their own": (lambda x: (x - 33) / 30, "pixels"),
    "-1..1 of 0..1": (lambda x: (x - 0.5) * 2, "unit"),
    "fitted to 0..1": (fitted(0.2, 0.08), "unit"),
    "by its own largest": (lambda x: x / x.amax((1, 2, 3), keepdim=True), "unit"),
    "differences": (lambda x: torch.cat([x[:, 1:] - x[:, :-1], x[:, :1]], 1), "unit"),
}


@pytest.mark.parametrize("kind", SCALES)
def test_who_divides_its_frames_itself_takes_pixels(kind: str, pixels: np.ndarray) -> None:
    prepare, scale = SCALES[kind]
    network = Prepared(prepare).eval()
    agent = load_agent(network)
    assert agent.preprocess.scale == scale
    frames = torch.from_numpy(pixels).float() / (1 if scale == "pixels" else 255)
    # 1e-5: x / 255 * 255.
    expected = network(frames).detach()
    torch.testing.assert_close(agent.q_values(pixels), expected, rtol=1e-4, atol=1e-5)
    assert load_agent(network, preprocess={"scale": "unit"}).preprocess.scale == "unit"


def test_a_whole_preprocess_does_not_divide_twice_unasked() -> None:
    network = Prepared(SCALES["a division"][0])
    with pytest.raises(UsageError, match=r"Prepared divides its frames itself.*say scale='pixels'"):
        load_agent(network, preprocess=Preprocess(frameskip=3))
    assert load_agent(network, preprocess=Preprocess(scale="pixels")).num_actions == 6


def test_a_function_does_not_divide_again() -> None:
    network = Prepared(SCALES["a division"][0])
    with pytest.raises(UsageError, match="and so does the function given as preprocess: leave"):
        load_agent(network, preprocess=lambda pixels: pixels / 255)
    assert load_agent(network, preprocess=lambda pixels: pixels.flip(1)).num_actions == 6


VICTIMS: dict[str, Any] = {
    **GIVEN,
    "a module around it": lambda model: Prepared(lambda x: x, model.q_net),
    "a function": lambda model: lambda obs: model.q_net(obs),
}


def flips(model: DQN, victim: Any, pixels: np.ndarray) -> list[bool]:
    """In which frames the attack by this victim's gradient changes what the model does."""
    space = spaces.Box(0, 255, (4, 84, 84), np.uint8)
    skin = Skin(
        victim, space, spaces.Discrete(6), attack="fgsm", lam=8.0, observation="uint8",
        frames="all", norm="linf", seed=0, options={},
    )  # fmt: skip
    moved = skin.perturb(pixels, np.ones(len(pixels), np.bool_), [*range(len(pixels))]).pixels
    calm, shaken = (model.predict(obs)[0] for obs in (pixels, moved.numpy()))
    return list((calm != shaken).tolist())


@pytest.mark.parametrize("kind", VICTIMS)
def test_as_victim_it_flips_what_scale_pixels_flips(
    kind: str, model: DQN, pixels: np.ndarray
) -> None:
    said = load_agent(VICTIMS["a module around it"](model), preprocess={"scale": "pixels"})
    expected = flips(model, said, pixels)
    assert sum(expected) >= 6, "of 12"
    assert flips(model, VICTIMS[kind](model), pixels) == expected


class QuantileNetwork(nn.Module):
    """As sb3-contrib has it: quantiles [B, N, A] of pixels, divided inside."""

    observation_space = spaces.Box(0, 255, (4, 84, 84), np.uint8)

    def __init__(self) -> None:
        super().__init__()
        self.quantile_net = nature_network(5 * 3)

    def forward(self, obs: Tensor) -> Tensor:
        found: Tensor = self.quantile_net(obs.float() / 255).view(-1, 5, 3)
        return found


QuantileNetwork.__module__ = "sb3_contrib.qrdqn.policies"


def test_quantiles_are_their_mean(pixels: np.ndarray) -> None:
    network = QuantileNetwork()
    agent = load_agent(network)
    expected = network(torch.from_numpy(pixels)).mean(1)
    # 1e-5: x / 255 * 255.
    torch.testing.assert_close(agent.q_values(pixels), expected.detach(), rtol=1e-4, atol=1e-5)


class Valueless:
    """As a model whose policy is of another kind."""

    observation_space = spaces.Box(0, 255, (4, 84, 84), np.uint8)


Valueless.__module__ = "sb3_contrib.other"


def test_a_model_without_scores_is_refused() -> None:
    with pytest.raises(UsageError, match="Valueless of Stable-Baselines3 gives no scores"):
        load_agent(Valueless())
    with pytest.raises(UsageError, match=r"a name, a file, a module or a model .*, got a int"):
        load_agent(3)


class Casting(nn.Module):
    """A network of which a part computes in half precision and casts its frames itself."""

    def __init__(self, halved: int) -> None:
        super().__init__()
        self.network = nature_network(6)
        self.halved = self.network[:halved].half()

    def forward(self, obs: Tensor) -> Tensor:
        found: Tensor = self.network[len(self.halved) :](self.halved(obs.half()).float())
        return found


def test_who_casts_itself_is_played_in_its_own_precision(pixels: np.ndarray) -> None:
    network = Casting(4)
    agent = load_agent(network)
    assert agent.name == "Casting"
    assert agent.facts == {
        "precision": "weights in float16 and float32, computed in its own precision"
    }
    expected = network(torch.from_numpy(pixels).float() / 255)
    assert torch.equal(agent.q_values(pixels), expected.detach())
    # One that its author divides its frames in is seen as such too.
    assert load_agent(Prepared(lambda x: x / 255, Casting(4))).preprocess.scale == "pixels"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_converted_and_said(dtype: torch.dtype, pixels: np.ndarray) -> None:
    network = nature_network(6).to(dtype)
    agent = load_agent(network)
    assert agent.q_values(pixels).dtype == torch.float32
    name = str(dtype).removeprefix("torch.")
    assert agent.facts == {"precision": f"weights in {name}, computed in float32"}
    assert next(network.parameters()).dtype == dtype, "the given one stays as it is"
    same = load_agent(copy.deepcopy(network).float())
    assert torch.equal(agent.q_values(pixels), same.q_values(pixels))


def test_a_compiled_module_is_defended_as_what_it_compiles(pixels: np.ndarray) -> None:
    network = nature_network(6)
    compiled, plain = load_agent(torch.compile(network, backend="eager")), load_agent(network)
    one, other = (agent.defend("sap-100", seed=0).q_values(pixels) for agent in (compiled, plain))
    assert torch.equal(one, other)
    assert not torch.equal(one, plain.q_values(pixels))


class Answers(nn.Module):
    """Gives what it is told to give of action values."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self.network, self.change = nature_network(6), change

    def forward(self, obs: Tensor) -> Tensor:
        found: Tensor = self.change(self.network(obs))
        return found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values.squeeze(0), r"got \[6\] for 1 frames"),
        (lambda values: values * torch.nan, "not finite"),
        (lambda values: values / 0, "not finite"),
        (lambda values: (values, None), "a tuple"),
        (lambda values: {"q": values}, "a dict"),
        (lambda values: values[..., None], r"got \[2, 6, 1\]"),
        (lambda values: values.mean(0, keepdim=True), r"got \[1, 6\] for 2 frames"),
        (lambda values: values[:, :1], "at least 2 actions, got torch.float32 for 1"),
        (lambda values: values > 0, "must give floats .* got torch.bool"),
        (lambda values: values.to(torch.complex64), "must give floats"),
        (lambda values: values.index_fill(1, torch.tensor(3), -torch.inf), "a large negative"),
    ],
)
def test_an_answer_is_checked_for_one_frame_as_for_many(change: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load_agent(Answers(change))


def test_frames_are_not_changed_in_place(venv: VecFrameStack) -> None:
    divides = load_agent(Prepared(lambda x: x.div_(255)))  # what it divides is no one else's
    assert divides.preprocess.scale == "pixels"
    victim = Prepared(lambda x: x.sub_(0.5))
    for tried in (lambda: load_agent(victim), lambda: AdversarialVecEnv(venv, victim)):
        with pytest.raises(UsageError, match=r"changes its frames in place.*obs = obs\.clone"):
            tried()


@pytest.mark.parametrize("change", [lambda values: values.detach(), lambda v: v.round().detach()])
def test_without_a_gradient_the_cure_is_named(change: Any) -> None:
    agent = load_agent(Answers(change))
    env = gymnasium.wrappers.FrameStackObservation(
        gymnasium.wrappers.ReshapeObservation(Noise(), (84, 84)), 4
    )
    with pytest.raises(UsageError, match="no gradient reaches the frames: use square or spsa"):
        AdversarialObservation(env, agent, grad_samples=1).reset()
    AdversarialObservation(env, agent, attack="square", steps=2).reset()


def test_a_gradient_of_zero_is_warned_of_once() -> None:
    rounds = load_agent(Answers(lambda values: (values * 100).round()))
    space = spaces.Box(0, 255, (4, 84, 84), np.uint8)
    pixels = np.random.default_rng(0).integers(256, size=(8, 4, 84, 84), dtype=np.uint8)
    for agent, expected in ((rounds, 1), (load_agent(nature_network(6)), 0)):
        skin = Skin(
            agent, space, spaces.Discrete(6), attack="fgsm", lam=1.0, observation="uint8",
            frames="all", norm="linf", seed=0, options={},
        )  # fmt: skip
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for _ in range(4):
                skin.perturb(pixels, np.ones(8, np.bool_), [*range(8)])
        assert len(told) == expected
        assert all("100% of the movable pixels had no gradient" in str(w.message) for w in told)


def test_a_victim_of_another_game_is_refused(venv: VecFrameStack) -> None:
    for victim in (nature_network(4), lambda obs: obs.flatten(2).mean(2)):
        with pytest.raises(UsageError, match="the victim has 4 actions, the environment 6"):
            AdversarialVecEnv(venv, victim)


@pytest.mark.parametrize(
    ("victim", "words"),
    [
        (lambda obs: obs.flatten(1).mean(1), r"the victim must give action values .* got \[1\]"),
        (lambda obs: (obs, None), "got a tuple"),
        (lambda obs: obs.numpy(), "got a ndarray"),
        (lambda obs: obs.no_such, "cannot take unit floats .*no attribute 'no_such'"),
        (lambda obs: obs @ obs, "cannot take unit floats|must give"),
    ],
)
def test_a_function_as_victim_is_tried_at_once(
    victim: Any, words: str, venv: VecFrameStack
) -> None:
    with pytest.raises(UsageError, match=words):
        AdversarialVecEnv(venv, victim)


def test_scaled_frames_are_no_pixels(pixels: np.ndarray) -> None:
    agent = load_agent(nature_network(6))
    with pytest.raises(UsageError, match=r"pixels 0\.\.255, got float32 in 0\.\.1: do not scale"):
        agent.predict(pixels.astype(np.float32) / 255)
    for other in (
        pixels * 1.5, pixels / 255 - 0.5, pixels / 127.5 - 1, pixels.astype(int) - 300,
        np.full((1, 4, 84, 84), np.nan), np.full((1, 4, 84, 84), np.inf), pixels > 3,
        pixels.astype(complex), None, "frames", {"image": pixels},
    ):  # fmt: skip
        with pytest.raises(UsageError, match=r"pixels 0\.\.255"):
            agent.predict(other)
    agent.predict(pixels.astype(np.float32))
    agent.predict(pixels.astype(np.int64))
    agent.predict(np.zeros((1, 4, 84, 84), np.float32))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda: {"0.weight": torch.zeros(2)}, "put it into its module first"),
        (lambda: nn.Linear, "got a type"),
        (lambda: nature_network(6).to("meta"), "load them first"),
    ],
)
def test_what_is_nearly_a_module_is_told_how(given: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load_agent(given())


TAKES: dict[str, tuple[Any, str]] = {
    "12 planes": (lambda: nature_network(6, frames=12), "frames=12 or, in colour, frames=4 grey=n"),
    "2 frames": (lambda: nature_network(6, frames=2), "say frames=2 in preprocess"),
    "64": (lambda: nature_network(6, size=(64, 64)), "say height=64 width=64 in preprocess"),
    "both": (
        lambda: nature_network(6, frames=1, size=(80, 80)),
        "say frames=1 and height=80 width=80",
    ),
    "channels last": (
        lambda: Prepared(lambda x: x.permute(0, 3, 1, 2)),
        "lambda pixels: pixels.permute(0, 2, 3,",
    ),
    "flat": (lambda: nn.Linear(28224, 6), "pixels.flatten(1) / 255"),
    "RAM": (lambda: nn.Linear(128, 6), "say what it sees in preprocess"),
}


@pytest.mark.parametrize("kind", TAKES)
def test_a_module_of_other_frames_is_told_which(kind: str) -> None:
    make, words = TAKES[kind]
    with pytest.raises(UsageError) as refused:
        load_agent(make())
    assert words in str(refused.value)


def test_the_cure_does_not_divide_twice() -> None:
    with pytest.raises(UsageError, match=r"preprocess=lambda pixels: pixels\.flatten\(1\)$"):
        load_agent(Prepared(lambda x: x / 255, nn.Linear(28224, 6)))


def test_preprocess_is_a_mapping() -> None:
    with pytest.raises(UsageError, match="a mapping of its entries, got a list"):
        load_agent(nature_network(6), preprocess=[1])
