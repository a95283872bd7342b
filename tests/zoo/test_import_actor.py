"""An actor of another project becomes an agent's folder: its policy alone, and that it is one."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sap_rl import Protocol, UsageError, load_agent
from sap_rl.networks.actors import chances
from sap_rl.zoo.candidates import imported
from sap_rl.zoo.publish import write
from sap_rl.zoo.score import score_facts, score_settings
from tests.networks.foreign import FOREIGN, random_frames
from tests.zoo.test_score import row


def test_an_imported_actor_stays_one(tmp_path: Path) -> None:
    """In half precision, without its critic."""
    foreign = FOREIGN["sb3-actor"]
    agent = write(tmp_path / "Ours", imported(foreign.write(tmp_path), game="Pong"), {})
    assert agent.scores == "logits"
    assert agent.preprocess == foreign.sees
    path = tmp_path / "Ours" / "agent.toml"
    card = tomllib.loads(path.read_text())
    assert card["network"] == {"kind": "nature", "num_actions": 6, "scores": "logits"}
    assert card["source"]["format"] == "sb3-actor"
    assert len(agent.module.state_dict()) == 10
    pixels = random_frames(foreign.sees)
    before = load_agent(foreign.write(tmp_path))
    # 0.01: weights in half precision.
    np.testing.assert_allclose(
        chances(agent.q_values(pixels)), chances(before.q_values(pixels)), atol=0.01
    )
    path.write_text(path.read_text().replace('"logits"', '"chances"'))
    with pytest.raises(UsageError, match=r"unknown network\.scores 'chances'; choose from values"):
        load_agent(tmp_path / "Ours")


def test_an_actors_score_says_that_it_was_sampled() -> None:
    plan = score_settings("BankHeist", episodes=4, seed=7, max_frames=18_000)
    rules = Protocol(epsilon=0.0, policy="sample")
    assert "policy" not in score_facts("Mine", row([1.0, 2.0, 3.0, 4.0]), plan)
    facts = score_facts("Mine", row([1.0, 2.0, 3.0, 4.0]), replace(plan, protocol=rules))
    assert (facts["policy"], facts["epsilon"]) == ("sample", 0.0)
