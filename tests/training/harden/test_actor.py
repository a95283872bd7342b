"""An actor's hardening: its distribution is what is taught, and by which its games are played."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sap_rl import Agent, Preprocess
from sap_rl.training.events import HardenUpdated
from sap_rl.training.harden.data import DistillationData
from sap_rl.training.harden.run import Hardening
from sap_rl.training.harden.settings import HardenSettings, settled
from tests.training.dqn.corridor import Corridor
from tests.training.harden.small_harden import SETTINGS, make_hardening, teacher
from tests.training.harden.test_data import Watched, disturbed


class Prefers(nn.Module):
    """Plays its second action with a chance, whatever it sees."""

    def __init__(self, chance: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([1 - chance, chance]).log())

    def forward(self, obs: Tensor) -> Tensor:
        return self.logits.expand(len(obs), 2) + 0 * obs.flatten(1).sum(1, keepdim=True)


def test_what_is_not_said_is_an_actors_own() -> None:
    found = settled(SETTINGS, "logits")
    assert (found.temperature, found.value_weight, found.epsilon) == (1.0, 0.0, 0.0)
    said = settled(replace(SETTINGS, temperature=0.5, epsilon=0.1), "logits")
    assert (said.temperature, said.value_weight, said.epsilon) == (0.5, 0.0, 0.1)
    usual = settled(SETTINGS, "values")
    assert usual == SETTINGS
    assert (usual.temperature, usual.value_weight, usual.epsilon) == (0.03, 0.05, 0.02)
    assert settled(HardenSettings(), "values") == HardenSettings()


def test_games_are_sampled_by_whoever_plays_them() -> None:
    envs = Watched(4)
    agents = [
        Agent(Prefers(chance), Preprocess(), f"{chance}", num_actions=2, scores="logits")
        for chance in (0.9, 0.2)
    ]
    examples = DistillationData(envs, agents[0], replace(SETTINGS, student_envs=2))
    examples.reset(0, 0)
    examples.play(300, agents[1], disturbed(agents[1].module))
    share = np.mean(envs.sent, axis=0)
    # 4 standard errors of 300 draws.
    np.testing.assert_allclose(share, [0.9, 0.9, 0.2, 0.2], atol=4 * (0.16 / 300) ** 0.5)


def test_the_student_is_an_actor_that_keeps_its_teachers_chances() -> None:
    actor = replace(teacher(), scores="logits")
    hardening = make_hardening(None, agent=actor)
    events = list(hardening.run())
    found = hardening.agent()
    assert found.scores == "logits"
    assert hardening.settings.temperature == 1.0
    losses = [event.loss for event in events if isinstance(event, HardenUpdated)]
    assert all(loss < 1.0 for loss in losses)
    again = make_hardening(None, agent=actor)
    list(again.run())
    repeated = again.agent().module.state_dict()
    for name, value in found.module.state_dict().items():
        assert torch.equal(value, repeated[name])


def test_the_loss_is_a_divergence_of_distributions() -> None:
    """By hand: KL((0.5, 0.5) || (0.8, 0.2)), and nothing of where the logits lie."""
    hardening = Hardening(
        replace(teacher(), scores="logits"), SETTINGS, game="Pong",
        make_games=lambda _game, _agent, s: Corridor(s.num_envs),
    )  # fmt: skip
    q = torch.tensor([[0.8, 0.2]]).log() + 7
    found = hardening.student.distance(q, torch.zeros(1, 2))
    by_hand = 0.5 * np.log(0.5 / 0.8) + 0.5 * np.log(0.5 / 0.2)
    assert float(found) == pytest.approx(by_hand, abs=1e-6)
