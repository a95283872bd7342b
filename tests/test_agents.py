"""Agents: shapes, streams, defences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sap_rl import Adversary, Agent, Preprocess, Threat, UsageError, load_agent
from sap_rl.attacks import make_attack
from sap_rl.seeds import numpy_stream


@pytest.fixture
def pixels(recorded: np.ndarray) -> np.ndarray:
    return recorded[:6]


def test_values_and_actions(agent: Agent, pixels: np.ndarray) -> None:
    values = agent.q_values(pixels)
    assert values.shape == (6, 18)
    assert not values.requires_grad
    by_hand = agent.module(torch.from_numpy(pixels.astype(np.float32)) / 255)
    assert torch.equal(values, by_hand)
    actions = agent.act(pixels)
    assert (actions.dtype, actions.shape) == (np.int64, (6,))
    np.testing.assert_array_equal(actions, by_hand.argmax(1).numpy())


def test_pixels_of_every_kind(agent: Agent, pixels: np.ndarray) -> None:
    expected = agent.q_values(pixels)
    strided = np.moveaxis(np.ascontiguousarray(np.moveaxis(pixels, 1, -1)), -1, 1)
    for same in (
        pixels.astype(np.float32),
        torch.tensor(pixels),
        strided,
        torch.tensor(pixels).float(),
    ):
        assert torch.equal(agent.q_values(same), expected)


def test_predict_takes_one_or_many_channels_first_or_last(agent: Agent, pixels: np.ndarray) -> None:
    expected = agent.act(pixels)
    last = np.moveaxis(pixels, 1, -1)
    for batch in (pixels, last):
        actions, state = agent.predict(batch)
        np.testing.assert_array_equal(actions, expected)
        assert state is None
    for one in (pixels[0], last[0]):
        action, _ = agent.predict(one)
        assert isinstance(action, np.ndarray)  # as Stable-Baselines3's
        assert action.shape == ()
        assert int(action) == expected[0]
    state = (np.zeros(1),)
    assert agent.predict(pixels, state, np.ones(6, bool))[1] is state


def test_predict_takes_tensors_and_arrays_of_any_kind(agent: Agent, pixels: np.ndarray) -> None:
    expected = agent.act(pixels)
    tensor = torch.tensor(pixels)
    for same in (
        tensor, tensor.bfloat16(), tensor.float().requires_grad_(), pixels.astype(">f4"),
        pixels.astype(">i2").astype(">f8"),
    ):  # fmt: skip
        np.testing.assert_array_equal(agent.predict(same)[0], expected)
    for call in (agent.predict, agent.act):
        with pytest.raises(UsageError, match=r"env.reset\(\)` give obs alone"):
            call((pixels, {}))
    with pytest.raises(UsageError, match="frames are one array: "):
        agent.predict([np.zeros((4, 84, 84)), np.zeros((4, 84, 83))])
    with pytest.raises(UsageError, match="got nan among them"):
        agent.predict(np.full((4, 84, 84), np.nan, np.float32))


def test_predict_explores_with_epsilon_only_if_not_deterministic(
    agent: Agent, pixels: np.ndarray
) -> None:
    many = np.repeat(pixels[:1], 64, 0)
    greedy = agent.act(many)
    rng = numpy_stream(0, "epsilon")
    explored = 0
    for _ in range(12):
        np.testing.assert_array_equal(agent.predict(many)[0], greedy)
        explore = rng.random(64) < 0.01
        expected = np.where(explore, rng.integers(18, size=64), greedy)
        np.testing.assert_array_equal(agent.predict(many, deterministic=False)[0], expected)
        explored += int((expected != greedy).sum())
    assert 1 <= explored <= 20  # 768 draws, 1% of them random: 7.3 differ on average


def test_deterministic_touches_neither_sap_nor_its_stream(agent: Agent, pixels: np.ndarray) -> None:
    looks = {}
    for deterministic in (True, False):
        player = agent.defend("sap-100", seed=0)
        for _ in range(3):
            player.predict(pixels, deterministic=deterministic)
        looks[deterministic] = player.q_values(pixels)
        assert not torch.equal(player.q_values(pixels), looks[deterministic])
    assert torch.equal(looks[True], looks[False])
    player = agent.defend("sap-100", seed=0)
    many = np.repeat(pixels[2:3], 32, 0)
    assert len(set(player.predict(many, deterministic=True)[0].tolist())) > 1


def test_policy_samples_average(agent: Agent, pixels: np.ndarray) -> None:
    one = agent.defend("sap-100", seed=4)
    four = replace(agent.defend("sap-100", seed=4), policy_samples=4)
    passes = one.module(torch.from_numpy(np.tile(pixels, (4, 1, 1, 1))) / 255).detach()
    # 1e-6: the same draws, averaged in another order.
    torch.testing.assert_close(
        four.q_values(pixels), passes.view(4, 6, 18).mean(0), rtol=0, atol=1e-6
    )
    many = replace(agent.defend("sap-100", seed=4), policy_samples=64)
    clean = agent.q_values(pixels)
    error = {
        a.policy_samples: float((a.q_values(pixels) - clean).abs().mean()) for a in (one, many)
    }
    assert error[64] < 0.5 * error[1]


def test_defending_shares_parameters_and_leaves_the_original(
    agent: Agent, pixels: np.ndarray
) -> None:
    before = agent.q_values(pixels)
    defended = agent.defend("sap-100", seed=0)
    ours, theirs = list(agent.module.parameters()), list(defended.module.parameters())
    assert len(ours) == len(theirs)
    assert all(a is b for a, b in zip(ours, theirs, strict=True))
    assert torch.equal(agent.q_values(pixels), before)
    assert (agent.defense, defended.defense) == (None, "sap-100")
    assert defended.explorer is not agent.explorer
    assert defended.sha256 == agent.sha256
    twice = defended.defend("q-noise-0.5", seed=1)
    assert twice.defense == "sap-100+q-noise-0.5"


def test_defense_seeds(agent: Agent, pixels: np.ndarray) -> None:
    values = [agent.defend("sap-100", seed=seed).q_values(pixels) for seed in (0, 0, 1)]
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2])


def test_reseeding_makes_a_second_player(agent: Agent, pixels: np.ndarray) -> None:
    player = agent.defend("sap-100", seed=0).defend("q-noise-0.5", seed=0)
    expected = player.reseeded(9).q_values(pixels)
    untouched = agent.defend("sap-100", seed=0).defend("q-noise-0.5", seed=0).q_values(pixels)
    twin = player.reseeded(9)
    assert torch.equal(twin.q_values(pixels), expected)
    assert not torch.equal(player.reseeded(8).q_values(pixels), expected)
    assert torch.equal(player.q_values(pixels), untouched)
    pairs = zip(player.module.parameters(), twin.module.parameters(), strict=True)
    assert all(a is b for a, b in pairs)
    assert agent.reseeded(9).module is agent.module
    assert agent.reseeded(9).explorer is not agent.explorer


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sip-100", {}, "unknown defense 'sip-100'; choose from "),
        ("sap-many", {}, "defense 'sap-many': 'many' is not a number"),
        ("sap-100", {"sampling": "exact"}, "defense 'sap-100': got an unexpected keyword argument"),
        ("sap-100", {"percent": 50.0}, "defense 'sap-100' already says percent=100"),
        ("q-noise", {}, "defense 'q-noise': missing a required"),
        ("sap-0", {}, "percent must be a positive number, got 0"),
    ],
)
def test_defenses_refused(agent: Agent, name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        agent.defend(name, **options)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_frames_that_do_not_fit_are_refused(agent: Agent, pixels: np.ndarray) -> None:
    for wrong in (pixels[0], pixels[:, :3], pixels[:, :, :80]):
        with pytest.raises(
            UsageError, match=r"agent 'BankHeist' sees \[B, 4, 84, 84\] frames, got"
        ):
            agent.q_values(wrong)


def test_a_module_is_an_agent(network: nn.Module, pixels: np.ndarray) -> None:
    agent = load_agent(network)
    assert agent.module is network
    assert (agent.name, agent.game, agent.sha256) == ("Sequential", None, None)
    assert agent.preprocess == Preprocess()
    unit = torch.from_numpy(pixels.copy()) / 255
    assert torch.equal(agent.q_values(pixels), network(unit).detach())

    class Mean(nn.Module):
        def forward(self, obs: Tensor) -> Tensor:
            return obs.flatten(2).mean(2)

    small = load_agent(Mean(), preprocess=Preprocess(frames=3, height=10, width=12))
    obs = np.zeros((2, 3, 10, 12), np.uint8)
    obs[0, 1], obs[1, 2] = 255, 51
    # 1e-6: a float32 mean of 120 pixels.
    expected = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.2]])
    torch.testing.assert_close(small.q_values(obs), expected, rtol=0, atol=1e-6)
    assert small.predict(np.moveaxis(obs, 1, -1))[0].tolist() == [1, 2]
    assert small.predict(obs, deterministic=False)[0].shape == (2,)


def test_an_agents_repr_is_one_line(agent: Agent) -> None:
    assert repr(agent) == "Agent(BankHeist, plays BankHeist, nature, 18 actions)"
    assert repr(agent.defend("sap-100")).endswith(", behind sap-100)")


def test_values_that_are_not_finite_are_no_choice(agent: Agent) -> None:
    """A network that divides by the spread of each plane, which is 0 where a frame is black."""

    class Standardised(nn.Module):
        def forward(self, obs: Tensor) -> Tensor:
            values: Tensor = agent.module(obs / obs.std((2, 3), keepdim=True))
            return values

    own = load_agent(Standardised(), game="BankHeist")
    frames = np.random.default_rng(0).integers(256, size=(2, 4, 84, 84), dtype=np.uint8)
    assert own.act(frames).shape == (2,)
    frames[1, 0] = 0
    for use in (own.act, lambda pixels: own.predict(pixels)[0]):
        with pytest.raises(UsageError, match="gives action values that are not finite"):
            use(frames)
    attack = make_attack("fgsm")
    with pytest.raises(UsageError, match="the victim gives action values that are not finite"):
        Adversary(own.q_function, attack, Threat(1), 0).perturb(
            torch.from_numpy(frames), torch.zeros(2, dtype=torch.bool)
        )
