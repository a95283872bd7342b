"""Who plays, who attacks, and whether measuring or attacking moves a player's draws."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
import torch
from torch import nn

from sap_rl.agents import Agent
from sap_rl.atari.protocol import Preprocess, Protocol
from sap_rl.play.arms import Arm, in_first_names, in_todays_names, plan
from sap_rl.play.attacked_player import AttackedPlayer
from sap_rl.play.noise_control import matching_sigma
from sap_rl.play.players import Players

SMALL = Preprocess(frames=2, height=6, width=6)


def small_agent(seed: int = 0) -> Agent:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Flatten(), nn.Linear(72, 40), nn.ReLU(), nn.Linear(40, 3))
    return Agent(module, SMALL, "small", num_actions=3)


def frames(step: int, count: int = 5) -> np.ndarray:
    """Stacks of two frames that move on by one frame per step, as an environment's do."""
    film = np.random.default_rng(0).integers(256, size=(50, count, 6, 6), dtype=np.uint8)
    return film[step : step + 2].swapaxes(0, 1)


def players(**options: object) -> Players:
    agent = small_agent()
    found = Players(agent, Protocol(), 0, **options)  # type: ignore[arg-type]
    found.defended = agent.defend("sap-100", seed=1)
    return found


def decide(attacked_player: AttackedPlayer, steps: int = 4) -> list[np.ndarray]:
    first = np.zeros(5, dtype=np.bool_)
    return [attacked_player.decide(frames(s), first, np.arange(5)).actions for s in range(steps)]


def test_plan_lists_clean_arms_then_each_lambda() -> None:
    arms = plan((4.0, 0.0, 1.0), defended=True, victims=("own", "original"), controls=True)
    clean = ["random", "original", "defended", "noise-control"]
    attacked = [
        "original",
        "defended-own",
        "defended-original",
        "noise-control-own",
        "noise-control-original",
    ]
    assert [(arm.lam, arm.title) for arm in arms] == (
        [(0.0, name) for name in clean]
        + [(1.0, name) for name in attacked]
        + [(4.0, name) for name in attacked]
    )


def test_plan_without_defence_or_controls() -> None:
    arms = plan((4.0,), defended=False, victims=("own",), controls=False)
    assert arms == [Arm("original"), Arm("original", 4.0, "own")]
    assert plan((0.0,), defended=False, victims=("own",), controls=True) == [
        Arm("random"),
        Arm("original"),
    ]


def test_an_arm_repeats_bit_for_bit() -> None:
    arm = Arm("defended", 8.0, "own")
    assert np.array_equal(
        decide(players().attacked_player(arm)), decide(players().attacked_player(arm))
    )


@pytest.mark.parametrize("victim", ["own", "original"])
def test_the_attacker_never_moves_the_players_draws(victim: str) -> None:
    """Frames are left as they are, so only the player's own stream decides the actions."""
    arm = Arm("defended", 0.0, victim)  # type: ignore[arg-type]
    played = []
    for samples in (1, 10):
        here = players()
        here.protocol = replace(here.protocol, grad_samples=samples)
        played.append(decide(here.attacked_player(arm)))
    unattacked = decide(players().attacked_player(Arm("defended")))
    assert np.array_equal(played[0], played[1])
    assert np.array_equal(played[0], unattacked)


def test_measuring_never_moves_the_players_draws() -> None:
    attacked_player = players().attacked_player(Arm("defended"))
    unmeasured = replace(attacked_player, flip_probe=None)
    fresh = players().attacked_player(Arm("defended"))
    assert np.array_equal(decide(unmeasured), decide(fresh))


def test_player_flip_probe_and_victim_draw_from_three_streams() -> None:
    attacked_player = players().attacked_player(Arm("defended", 4.0, "own"))
    assert attacked_player.flip_probe is not None
    assert attacked_player.adversary is not None
    modules = (
        attacked_player.agent.module,
        attacked_player.flip_probe.module,
        attacked_player.adversary.victim,
    )
    assert len({module.stream.seed for module in modules}) == 3  # type: ignore[union-attr]


def test_the_original_gradient_is_the_undefended_networks() -> None:
    here = players()
    assert here.victim(Arm("defended", 4.0, "original")).module is here.original.module
    assert here.victim(Arm("defended", 4.0, "own")).module is not here.defended.module  # type: ignore[union-attr]
    shared = dict(here.original.module.named_parameters())
    for name, parameter in here.victim(Arm("defended", 4.0, "own")).module.named_parameters():
        assert parameter is shared[name.removeprefix("module.")]


def test_grad_samples_are_ten_for_a_random_victim_only() -> None:
    here = players()
    assert here.grad_samples(Arm("defended", 4.0, "own")) == 10
    assert here.grad_samples(Arm("defended", 4.0, "original")) == 1
    assert here.grad_samples(Arm("original", 4.0, "own")) == 1
    here.protocol = Protocol(grad_samples=3)
    assert here.grad_samples(Arm("original", 4.0, "own")) == 3
    assert players(attack="noise").grad_samples(Arm("defended", 4.0, "own")) == 1


def test_flips_of_a_deterministic_agent_are_counted_against_the_clean_frame() -> None:
    here = players()
    attacked_player = here.attacked_player(Arm("original", 40.0, "own"))
    pixels = frames(0)
    decision = attacked_player.decide(pixels, np.zeros(5, dtype=np.bool_), np.arange(5))
    assert decision.flipped is not None
    assert decision.self_flipped is not None
    assert np.array_equal(decision.flipped, decision.actions != here.original.act(pixels))
    assert decision.flipped.any()
    assert not decision.self_flipped.any()
    assert decision.linf is not None
    assert np.allclose(decision.linf, 40.0, atol=1e-3)


def test_newest_frame_flips_are_against_the_clean_stack_too() -> None:
    here = players()
    here.protocol = Protocol(frames="newest")
    attacked_player = here.attacked_player(Arm("original", 60.0, "own"))
    for step in range(6):
        pixels = frames(step)
        decision = attacked_player.decide(pixels, np.zeros(5, dtype=np.bool_), np.arange(5))
        assert np.array_equal(decision.flipped, decision.actions != here.original.act(pixels))  # type: ignore[arg-type]


def test_self_flips_of_a_random_agent_are_two_looks_at_the_clean_frame() -> None:
    here = players()
    attacked_player = here.attacked_player(Arm("defended"))
    flip_probe = here.defended.reseeded(123)  # type: ignore[union-attr]
    attacked_player.flip_probe = flip_probe
    twin = here.defended.reseeded(123)  # type: ignore[union-attr]
    pixels = frames(1, count=64)
    decision = attacked_player.decide(pixels, np.zeros(64, dtype=np.bool_), np.arange(64))
    looks = twin.act(np.concatenate([pixels, pixels])).reshape(2, -1)
    assert np.array_equal(decision.self_flipped, looks[0] != looks[1])  # type: ignore[arg-type]
    assert decision.self_flipped.any()  # type: ignore[union-attr]


def test_flips_of_a_random_agent_are_measured_on_every_eighth_step() -> None:
    attacked_player = players().attacked_player(Arm("defended", 4.0, "original"))
    first = np.zeros(5, dtype=np.bool_)
    found = [attacked_player.decide(frames(s), first, np.arange(5)) for s in range(10)]
    measured = [decision.flipped is not None for decision in found]
    assert measured == [step in (0, 8) for step in range(10)]
    assert measured == [decision.self_flipped is not None for decision in found]
    assert all(decision.linf is not None for decision in found), "the referee looks at every step"


def test_names_of_earlier_versions_are_read_and_keys_keep_them() -> None:
    today = {"arm": "noise-control", "victims": ("own", "other"), "agent": "own"}
    first = {"arm": "matched", "victims": ("self", "other"), "agent": "own"}
    assert in_first_names({"rows": [today]}) == {"rows": [first]}
    assert in_todays_names({"rows": [first]}) == {"rows": [today]}
    assert in_todays_names(today) == today
    assert Arm("noise-control", 1.0, "own").stream == "matched-self"
    assert Arm("original", 1.0, "own").stream == "original"


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.45])
def test_matching_sigma_in_closed_form(rate: float) -> None:
    """Two actions with gap g: a look is wrong with q = Phi(-g / (sigma sqrt 2)), two looks differ
    with 2 q (1 - q)."""
    values = np.tile(np.array([1.5, 0.0]), (200_000, 1))
    wrong = (1 - np.sqrt(1 - 2 * rate)) / 2
    sigma = -1.5 / (np.sqrt(2) * NormalDist().inv_cdf(wrong))
    found = matching_sigma(values, rate, rng=np.random.default_rng(0))
    # 200,000 frames: the rate's standard error is 0.0011, at rate 0.45 10 times flatter in sigma
    assert found == pytest.approx(sigma, rel=0.02 if rate < 0.4 else 0.1)


def test_matching_sigma_of_a_player_that_never_flips() -> None:
    assert matching_sigma(np.ones((3, 2)), 0.0, rng=np.random.default_rng(0)) == 0.0
