"""What an agent sees is found by how it plays."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sap_rl import Agent, UsageError, load_agent
from sap_rl.networks.adapt import retaken
from sap_rl.zoo.verdict import Choice, Verdict, judge, variants


def test_the_choices_are_those_that_fit(agent: Agent) -> None:
    words = [said for said, _ in variants(agent, "BankHeist")]
    assert words[:4] == ["as given", "scale=pixels", "order=newest_first", "layout=columns_first"]
    assert words[4:7] == [
        "scale=pixels order=newest_first", "scale=pixels layout=columns_first",
        "order=newest_first layout=columns_first",
    ]  # fmt: skip
    assert words[7:] == ["full_action_space=true"], "the game has all 18 actions"
    assert [said for said, _ in variants(agent, "Pong")] == ["full_action_space=true"]
    one = replace(agent, preprocess=replace(agent.preprocess, frames=1, width=80))
    assert [said for said, _ in variants(one, "BankHeist")][1:] == [
        "scale=pixels", "full_action_space=true"
    ], "one frame has no order, and one that is not square one layout"  # fmt: skip
    with pytest.raises(UsageError, match=r"has 5 actions, Pong has 6 or 18: .* first_actions=5"):
        next(judge(replace(agent, num_actions=5), "Pong"))
    with pytest.raises(UsageError, match="has 5 actions, BankHeist has 18: "):
        next(judge(replace(agent, num_actions=5), "BankHeist"))


def test_a_module_is_shown_what_each_choice_says(agent: Agent) -> None:
    frames = torch.rand(2, 4, 84, 84)
    other = replace(agent.preprocess, order="newest_first")
    turned = retaken(agent.module, other)
    assert torch.equal(turned(frames), agent.module(frames.flip(1)))
    assert retaken(turned, agent.preprocess) is agent.module


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"order": "newest_first", "scale": "pixels"}, "scale=unit order=oldest_first"),
        ({"layout": "columns_first"}, "layout=rows_first"),
    ],
)
def test_the_true_choice_wins(agent: Agent, wrong: dict[str, str], right: str) -> None:
    """A true agent that is shown its frames in another way."""
    given = load_agent(agent.module, preprocess=wrong, game="BankHeist")
    *choices, found = judge(given, "BankHeist", episodes=3, max_frames=600, seed=1)
    assert isinstance(found, Verdict)
    assert all(isinstance(choice, Choice) for choice in choices)
    assert found.best.said == right
    assert found.plays
    assert found.max_frames == 600
    assert {choice.row.episodes for choice in (*found.choices, found.sticky)} == {3}
    assert "sticky_actions=0.25" in found.sticky.said
