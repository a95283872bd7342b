"""One environment whose frames are tampered with."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation
from torch import Tensor, nn

from sap_rl import ATTACKS, AdversarialObservation, Agent, Threat, UsageError, sap
from sap_rl.attacks import make_attack
from sap_rl.defenses.sap import SAP


def bank_heist() -> gymnasium.Env[Any, Any]:
    env = gymnasium.make("ALE/BankHeist-v5", frameskip=1, repeat_action_probability=0.0)
    return FrameStackObservation(AtariPreprocessing(env, noop_max=3), 4, padding_type="zero")


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"observation": "float"},
        {"frames": "newest"},
        {"attack": "pgd", "steps": 2, "observation": "float", "frames": "newest"},
        {"attack": "noise"},
        {"norm": "l2", "observation": "float"},
    ],
)
def test_gymnasiums_checker_has_no_complaint(options: dict[str, Any], agent: Agent) -> None:
    env = AdversarialObservation(bank_heist(), agent, **options)
    check_env(env, skip_render_check=True)  # other warnings are errors here
    env.close()


def test_what_is_attacked_and_what_is_told(agent: Agent) -> None:
    clean, env = bank_heist(), AdversarialObservation(bank_heist(), agent, lam=4)
    before, _ = clean.reset(seed=5)
    obs, info = env.reset(seed=5)
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert obs.shape == (4, 84, 84)
        assert obs.dtype == np.uint8
        assert obs in env.observation_space
        unit = torch.from_numpy(before)[None] / 255
        fgsm = make_attack("fgsm")(agent.module, unit, Threat(4), generator=torch.Generator())
        expected = torch.round(fgsm[0] * 255).to(torch.uint8).numpy()
        np.testing.assert_array_equal(obs, expected)
        assert set(info["adversary"]) == {"linf", "label"}
        assert info["adversary"]["linf"] == 4
        assert info["adversary"]["label"] == agent.act(before[None])[0]
        action = int(rng.integers(18))
        before, *expected_rest = clean.step(action)
        obs, *rest, info = env.step(action)
        assert rest == expected_rest[:-1]
        assert {k: v for k, v in info.items() if k != "adversary"}.keys() == expected_rest[
            -1
        ].keys()


@pytest.mark.parametrize("observation", ["uint8", "float"])
def test_space(observation: Any, agent: Agent) -> None:
    env = AdversarialObservation(bank_heist(), agent, observation=observation)
    dtype = np.uint8 if observation == "uint8" else np.float32
    assert env.observation_space == gymnasium.spaces.Box(0, 255, (4, 84, 84), dtype)
    obs, _ = env.reset(seed=0)
    assert obs.dtype == dtype


@pytest.mark.parametrize("frames", ["all", "newest"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_reset_with_a_seed_repeats_everything(
    attack: str, frames: Any, flicker: Any, small_network: nn.Module
) -> None:
    """Also with a random victim: its stream starts again too."""
    victim = sap(small_network, percent=50, seed=0)
    env = AdversarialObservation(flicker(), victim, attack=attack, frames=frames)

    def episode(seed: int | None) -> list[np.ndarray]:
        seen = [env.reset(seed=seed)[0]]
        while True:
            obs, _, ended, *_ = env.step(np.int64(0))
            seen.append(obs)
            if ended:
                return seen

    first = episode(3)
    episode(None)
    again, other = episode(3), episode(4)
    assert len(first) == len(again)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_a_new_episode_forgets_the_last(flicker: Any, exact_q: Any) -> None:
    env = AdversarialObservation(flicker(), exact_q((3, 6, 5)), frames="newest", lam=9)
    env.reset(seed=0)
    for _ in range(4):
        last, _ = env.reset()  # no seed: only the episode ends
        assert not last[:-1].any()
        kept = last.copy()
        last[:] = 77  # what the player does with its frames is not remembered
        obs, *_ = env.step(np.int64(0))
        np.testing.assert_array_equal(obs[-2], kept[-1])
        env.step(np.int64(0))


def test_the_player_may_be_the_victim(agent: Agent, recorded: np.ndarray, flicker: Any) -> None:
    """Attacking moves no stream of the agent that is handed over."""
    looks = []
    for attacks in (0, 3):
        player = agent.defend("sap-100", seed=0)
        for victim in (player, player.module):
            env = AdversarialObservation(bank_heist(), victim)
            for _ in range(attacks):
                env.reset(seed=0)
        looks.append(player.q_values(recorded[:2]))
    assert torch.equal(*looks)


@pytest.mark.parametrize("kind", ["agent", "module", "function"])
def test_victims_of_every_kind(kind: str, agent: Agent) -> None:
    victim = {"agent": agent, "module": agent.module, "function": lambda obs: agent.module(obs)}
    env = AdversarialObservation(bank_heist(), victim[kind])
    expected = AdversarialObservation(bank_heist(), agent)
    np.testing.assert_array_equal(env.reset(seed=1)[0], expected.reset(seed=1)[0])


@pytest.mark.parametrize(("defense", "samples"), [(None, 1), ("sap-100", 10)])
def test_passes_per_gradient_follow_the_victim(
    defense: str | None, samples: int, agent: Agent
) -> None:
    victim = agent.defend(defense, seed=0) if defense else agent
    rows: list[int] = []
    handle = victim.module.get_submodule("module.q" if defense else "q")
    handle.register_forward_hook(lambda _module, _args, out: rows.append(len(out)))
    env = AdversarialObservation(bank_heist(), victim)
    rows.clear()
    env.reset(seed=0)
    assert rows == [samples]
    assert isinstance(victim.module, SAP) == (defense is not None)
    env = AdversarialObservation(bank_heist(), victim, grad_samples=3)
    rows.clear()
    env.reset(seed=0)
    assert rows == [3]


class Space(gymnasium.Env[Any, Any]):
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, space: gymnasium.Space[Any]) -> None:
        self.observation_space = space


BOX = gymnasium.spaces.Box
SPACES: dict[str, tuple[gymnasium.Space[Any], str]] = {
    "discrete": (gymnasium.spaces.Discrete(3), "observations must be a Box of pixels"),
    "a vector": (BOX(0, 255, (4,), np.uint8), "observations must be a Box of pixels"),
    "a colour stack": (BOX(0, 255, (4, 84, 84, 3), np.uint8), "observations must be a Box"),
    "unit floats": (BOX(0, 1, (4, 84, 84), np.float32), "observations must be a Box of pixels"),
    "centred floats": (BOX(-255, 255, (4, 84, 84), np.float32), "observations must be a Box"),
    "doubles": (BOX(0, 255, (4, 84, 84), np.float64), "observations must be a Box of pixels"),
    "float pixels": (BOX(0, 255, (4, 84, 84), np.float32), "the environment gives float32 frames"),
    "another size": (BOX(0, 255, (4, 64, 64), np.uint8), "the victim 'BankHeist' sees (4, 84, 84)"),
    "channels last": (
        BOX(0, 255, (84, 84, 4), np.uint8),
        "the victim 'BankHeist' sees (4, 84, 84)",
    ),
}


@pytest.mark.parametrize("kind", SPACES)
def test_wrong_spaces_are_refused(kind: str, agent: Agent) -> None:
    space, message = SPACES[kind]
    with pytest.raises(UsageError) as refusal:
        AdversarialObservation(Space(space), agent)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attack": "fsgm"}, "unknown attack 'fsgm'"),
        ({"steps": 3}, "attack 'fgsm' has no option 'steps'"),
        ({"lam": -1}, "lambda must be a number of at least 0"),
        ({"lam": 0.5}, "lambda 0.5 changes no uint8 pixel"),
        ({"objective": "marg"}, "unknown objective 'marg'"),
        ({"norm": "l2"}, "norm l2 moves most pixels by fractions"),
        ({"norm": "l2", "observation": "float", "attack": "spsa"}, "attack 'spsa' knows no norm"),
    ],
)
def test_wrong_options_are_refused(
    options: dict[str, Any], message: str, flicker: Any, exact_q: Any
) -> None:
    with pytest.raises(UsageError) as refusal:
        AdversarialObservation(flicker(), exact_q((3, 6, 5)), **options)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_float_pixels_are_attacked_as_float(exact_q: Any) -> None:
    class Floats(gymnasium.Env[Any, Any]):
        observation_space = BOX(0, 255, (3, 6, 5), np.float32)
        action_space = gymnasium.spaces.Discrete(2)

        def reset(self, **_: Any) -> tuple[np.ndarray, dict[str, Any]]:
            self.given = np.full((3, 6, 5), 10.25, np.float32)
            self.given.setflags(write=False)
            return self.given, {}

    def rising(obs: Tensor) -> Tensor:
        score = obs.flatten(1).sum(1)
        return torch.stack([1000 - score, score], 1) / 100

    env = AdversarialObservation(Floats(), rising, observation="float", lam=0.5)
    obs, _ = env.reset()
    # 1e-5: through unit scale and back.
    np.testing.assert_allclose(obs, 10.75, rtol=0, atol=1e-5)
    assert env.env.given.max() == 10.25  # type: ignore[attr-defined]


def test_a_schedule_leaves_the_other_steps_alone(agent: Agent) -> None:
    env = AdversarialObservation(bank_heist(), agent, lam=4, schedule="random-0.5")
    env.reset(seed=5)
    distances = [float(env.step(0)[4]["adversary"]["linf"]) for _ in range(40)]
    assert set(distances) == {0.0, 4.0}
    with pytest.raises(UsageError, match="unknown schedule 'often'; choose from every"):
        AdversarialObservation(bank_heist(), agent, schedule="often")


def test_victims_with_other_actions_are_refused(flicker: Any, exact_q: Any) -> None:
    """In a function as in a module: here an environment of five."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(90, 6))
    for victim in (exact_q((3, 6, 5), 6), module):
        with pytest.raises(UsageError, match="the victim has 6 actions, the environment 5"):
            AdversarialObservation(flicker(), victim)
