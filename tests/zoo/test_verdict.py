"""What an agent sees is found by how it plays."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sap_rl import Agent, UsageError, load_agent
from sap_rl.networks.adapt import retaken
from sap_rl.zoo import verdict
from sap_rl.zoo.verdict import Choice, Verdict, judge, variants


def test_the_choices_are_those_that_fit(agent: Agent) -> None:
    words = [said for said, _ in variants(agent, "BankHeist")]
    assert words[0] == "as given"
    assert words[1:4] == ["scale=pixels", "order=newest_first", "scale=pixels order=newest_first"]
    assert words[4:] == ["full_action_space=true"], "the game has all 18 actions"
    assert [said for said, _ in variants(agent, "Pong")] == ["full_action_space=true"]
    with pytest.raises(UsageError, match="has 5 actions, Pong has 6 or 18"):
        next(judge(replace(agent, num_actions=5), "Pong"))


def test_a_module_is_shown_what_each_choice_says(agent: Agent) -> None:
    frames = torch.rand(2, 4, 84, 84)
    other = replace(agent.preprocess, order="newest_first")
    turned = retaken(agent.module, other)
    assert torch.equal(turned(frames), agent.module(frames.flip(1)))
    assert retaken(turned, agent.preprocess) is agent.module


def test_the_true_choice_wins(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A true agent that is shown its frames in the wrong order and scale."""
    monkeypatch.setattr(verdict, "EPISODES", 2)
    monkeypatch.setattr(verdict, "MAX_FRAMES", 1200)
    wrong = {"order": "newest_first", "scale": "pixels"}
    given = load_agent(agent.module, preprocess=wrong, game="BankHeist")
    *choices, found = judge(given, "BankHeist")
    assert isinstance(found, Verdict)
    assert all(isinstance(choice, Choice) for choice in choices)
    assert found.best.said == "scale=unit order=oldest_first"
    assert found.plays
    assert found.sticky.row.episodes == 2
    assert "sticky_actions=0.25" in found.sticky.said
