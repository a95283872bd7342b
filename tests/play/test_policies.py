"""Sampled actions: drawn by the episode's own stream, measured by their distribution."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sap_rl import Agent, Preprocess, Protocol, UsageError, evaluate
from sap_rl.evaluation.results import evaluation_from_json
from sap_rl.networks.actors import chances
from sap_rl.play.arms import Arm
from sap_rl.play.episodes import ActionDraws, env_seed
from sap_rl.play.players import Players
from sap_rl.play.policies import settled
from sap_rl.play.rollout import Decision, Episode, rollout
from sap_rl.seeds import numpy_stream
from tests.play.test_arms import SMALL, frames, small_agent
from tests.play.toy import Counting

CHANCES = np.array([0.2, 0.0, 0.8])


class Sampling:
    """Leaves its actions to the game, by chances that never change."""

    def decide(self, pixels: np.ndarray, first: np.ndarray, rows: np.ndarray) -> Decision:
        likely = np.full(len(pixels), 2, dtype=np.int64)
        return Decision(likely, chances=np.tile(CHANCES, (len(pixels), 1)))


def played(num_envs: int, epsilon: float = 0.0) -> dict[tuple[int, int], int]:
    """Action by (seed of the emulator, step)."""
    envs = Counting(num_envs)
    games = rollout(
        envs, Sampling(), episodes=range(40), seed=11, epsilon=epsilon, max_steps=20
    )  # fmt: skip
    assert sum(isinstance(event, Episode) for event in games) == 40
    found: dict[tuple[int, int], int] = {}
    for _, seed, step, action in envs.log:  # an idle environment plays its last game again
        found.setdefault((seed, step), action)
    return {k: a for k, a in found.items() if k[0] in {env_seed(11, i) for i in range(40)}}


def test_an_action_is_its_episodes_draw_whatever_is_played_beside_it() -> None:
    found = played(3)
    assert found == played(8)
    for index in range(40):
        rng = numpy_stream(11, "action", index)
        for step in range(Counting.length(env_seed(11, index))):
            assert found[env_seed(11, index), step] == (0 if rng.random() < 0.2 else 2)


def test_epsilon_replaces_what_was_drawn() -> None:
    assert set(played(3).values()) == {0, 2}
    assert set(played(3, epsilon=1.0).values()) == {0, 1, 2}
    moved = [a != b for a, b in zip(played(3).values(), played(3, 0.1).values(), strict=True)]
    assert 0 < np.mean(moved) < 0.2


def test_draws_follow_the_chances_and_forgive_their_rounding() -> None:
    draws = ActionDraws(0, 0)
    share = np.bincount([draws.action(CHANCES / 3) for _ in range(4000)], minlength=3) / 4000
    # 4 standard errors.
    np.testing.assert_allclose(share, CHANCES, atol=4 * (0.16 / 4000) ** 0.5)


def actor(agent: Agent) -> Agent:
    return replace(agent, scores="logits")


@pytest.mark.parametrize(
    ("scores", "said", "found"),
    [
        ("values", {}, (None, 0.01)),
        ("values", {"policy": "greedy", "epsilon": 0.5}, (None, 0.5)),
        ("logits", {}, ("sample", 0.0)),
        ("logits", {"epsilon": 0.01}, ("sample", 0.01)),
        ("logits", {"policy": "greedy"}, ("greedy", 0.0)),
    ],
)
def test_what_is_not_said_is_the_agents_custom(scores: Any, said: Any, found: Any) -> None:
    agent = replace(small_agent(), scores=scores)
    rules = settled(Protocol(**said), agent)
    assert (rules.policy, rules.epsilon) == found
    assert settled(rules, agent) == rules
    assert type(rules.epsilon) is float


def test_values_are_no_distribution() -> None:
    with pytest.raises(UsageError, match="agent 'small' gives action values; choose greedy"):
        Players(small_agent(), Protocol(policy="sample"), 0)


def decision(agent: Agent, arm: Arm, **options: Any) -> Decision:
    here = Players(agent, Protocol(**options), 0, attack="fgsm")
    here.defended = agent.defend("sap-100", seed=1)
    return here.attacked_player(arm).decide(frames(0), np.ones(5, np.bool_), np.arange(5))


@pytest.mark.parametrize("name", ["original", "defended"])
def test_a_greedy_actor_does_what_the_same_q_network_does(name: Any) -> None:
    arm = Arm(name, 8.0, "own")
    q, greedy = decision(small_agent(), arm), decision(actor(small_agent()), arm, policy="greedy")
    sample = decision(actor(small_agent()), arm)
    for field in ("actions", "flipped", "self_flipped", "linf"):
        assert np.array_equal(getattr(q, field), getattr(greedy, field)), field
        assert np.array_equal(getattr(q, field), getattr(sample, field)), field
    assert q.chances is greedy.chances is q.total_variation is None
    assert sample.chances is not None
    np.testing.assert_array_equal(sample.chances.argmax(1), sample.actions)


def test_total_variation_is_against_the_clean_frames() -> None:
    """On a network whose logits are known: two frames' mean brightness, times 40."""
    linear = nn.Sequential(nn.Flatten(), nn.Linear(72, 2, bias=False))
    with torch.no_grad():
        linear[1].weight.copy_(torch.stack([torch.ones(72), -torch.ones(72)]) * 20 / 72)
    bright = Agent(linear, SMALL, "bright", num_actions=2, scores="logits")
    here = Players(bright, Protocol(), 0, attack="fgsm")
    pixels = np.full((1, 2, 6, 6), 10, np.uint8)
    made = here.attacked_player(Arm("original", 8.0, "own")).decide(
        pixels, np.ones(1, np.bool_), np.arange(1)
    )
    before, after = (1 / (1 + np.exp(-40 * level / 255)) for level in (10, 2))
    assert made.total_variation is not None
    # 1e-6: float32 logits.
    np.testing.assert_allclose(made.total_variation, [before - after], atol=1e-6)
    clean = here.attacked_player(Arm("original")).decide(pixels, np.ones(1, np.bool_), np.arange(1))
    assert clean.total_variation is None
    np.testing.assert_allclose(chances(bright.q_values(pixels)), clean.chances)


def test_an_actor_is_evaluated(network: nn.Sequential) -> None:
    agent = Agent(network, Preprocess(), "actor", num_actions=18, scores="logits")

    def result(defense: str | None = "sap-10", **options: Any) -> Any:
        return evaluate(
            agent, "BankHeist", lam=8, attack="fgsm", victims=("original",),
            episodes=2, max_frames=60, grad_samples=1, seed=3, defense=defense, **options,
        )  # fmt: skip

    found, again = result(), result()
    rules = found.settings.protocol
    assert (rules.policy, rules.epsilon) == ("sample", 0.0)
    assert [(r.returns, r.lengths, r.total_variation) for r in found.rows] == [
        (r.returns, r.lengths, r.total_variation) for r in again.rows
    ]
    for row in found.rows:
        assert (row.total_variation is not None) == (row.lam > 0)
        assert row.policy == ("greedy" if row.arm == "random" else "sample")
    control = found.row("noise-control", 8.0, "original")
    assert control is not None
    assert control.self_flip_rate > 0
    assert "epsilon 0, actions sampled" in str(found)
    assert " TV " in str(found)
    assert evaluation_from_json(found.to_json()) == found
    greedy = result(policy="greedy", defense=None, controls=False)
    assert "epsilon 0, greedy actions" in str(greedy)
    assert " TV " not in str(greedy)
