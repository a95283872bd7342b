"""The attacker's own backward mode and another agent's gradient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sap_rl.agents import Agent
from sap_rl.atari.protocol import Preprocess, Protocol
from sap_rl.attacks.gradients import input_gradient
from sap_rl.attacks.objectives import margin
from sap_rl.attacks.schedule import Schedule
from sap_rl.play.arms import Arm
from sap_rl.play.players import Players
from sap_rl.play.victims import with_backward

SMALL = Preprocess(frames=2, height=6, width=6)


def small_agent(seed: int = 0) -> Agent:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Flatten(), nn.Linear(72, 40), nn.ReLU(), nn.Linear(40, 3))
    return Agent(module, SMALL, "small", num_actions=3)


PIXELS = np.random.default_rng(0).integers(256, size=(5, 2, 6, 6), dtype=np.uint8)
FIRST = np.ones(5, dtype=np.bool_)


def test_the_attackers_backward_is_its_own() -> None:
    defended = small_agent().defend("sap-100", seed=3)
    attacker = with_backward(defended, "identity")
    assert (defended.module.backward, attacker.module.backward) == ("mask", "identity")
    weights = dict(defended.module.named_parameters())
    assert all(weights[name] is p for name, p in attacker.module.named_parameters())
    obs = torch.from_numpy(PIXELS) / 255
    label = torch.zeros(5, dtype=torch.int64)
    found, _ = input_gradient(attacker.q_function, obs, label, margin)
    twin = small_agent().defend("sap-100", seed=3, backward="identity")
    expected, _ = input_gradient(twin.q_function, obs, label, margin)
    assert torch.equal(found, expected), "the same draws, the other mode"
    other, _ = input_gradient(
        small_agent().defend("sap-100", seed=3).q_function, obs, label, margin
    )
    assert not torch.equal(found, other)


def test_an_agent_without_sap_stays_itself() -> None:
    agent = small_agent()
    assert with_backward(agent, "identity") is agent


def test_a_cast_gives_the_mode_to_the_attacker_alone() -> None:
    agent = small_agent()
    players = Players(
        agent, Protocol(), 0, defended=agent.defend("sap-100", seed=1), backward="full"
    )
    attacked_player = players.attacked_player(Arm("defended", 4.0, "own"))
    assert attacked_player.agent.module.backward == "mask"
    assert attacked_player.adversary is not None
    assert attacked_player.adversary.victim.backward == "full"  # type: ignore[attr-defined]


def test_another_agents_gradient() -> None:
    agent, other = small_agent(), small_agent(1)
    players = Players(agent, Protocol(), 0, other=other)
    found = players.attacked_player(Arm("original", 40.0, "other"))
    assert found.adversary is not None
    assert found.adversary.victim is other.module
    with pytest.raises(AssertionError, match="no other agent"):
        replace(players, other=None).attacked_player(Arm("original", 40.0, "other"))


def test_schedule_and_cost_are_measured() -> None:
    players = Players(small_agent(), Protocol(), 0, schedule=Schedule("random", 0.0))
    decision = players.attacked_player(Arm("original", 4.0, "own")).decide(
        PIXELS, FIRST, np.arange(5)
    )
    assert decision.struck is not None
    assert decision.forward is not None
    assert decision.linf is not None
    assert not decision.struck.any()
    assert not decision.linf.any()
    assert decision.forward.tolist() == [1.0] * 5, "the look that decides is paid for"
    every = Players(small_agent(), Protocol(), 0)
    decision = every.attacked_player(Arm("original", 4.0, "own")).decide(
        PIXELS, FIRST, np.arange(5)
    )
    assert decision.struck is not None
    assert decision.struck.all()
    assert decision.backward is not None
    assert decision.backward.tolist() == [1.0] * 5


def test_a_universal_pattern_is_fitted_once_on_recorded_frames() -> None:
    agent = small_agent()
    players = Players(agent, Protocol(), 0, "universal", recorded=PIXELS)
    adversary = players.attacked_player(Arm("original", 8.0, "own")).adversary
    assert adversary is not None
    seen = [
        adversary.perturb(torch.full((2, 2, 6, 6), v, dtype=torch.uint8), torch.ones(2).bool())
        for v in (100, 120)
    ]
    moves = [found.pixels - value for found, value in zip(seen, (100, 120), strict=True)]
    # 1e-4: pixels in unit scale and back.
    torch.testing.assert_close(moves[0][0], moves[1][1], rtol=0, atol=1e-4)
    assert float(moves[0].abs().max()) == pytest.approx(8, abs=1e-3)
