"""Agents' folders of an earlier version: their cards are read, and they value frames as before."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sap_rl import load_agent
from sap_rl.cli import main
from tests.compat.kept import FILES, read_json
from tests.compat.machine import must_repeat

GOLDEN = read_json("agents.json")


@pytest.mark.parametrize("name", ["Trained", "Hardened"])
def test_values_are_as_they_were(name: str) -> None:
    agent, values = load_agent(FILES / "agents" / name), GOLDEN["values"][name]
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 36, 36), dtype=np.uint8)
    torch.testing.assert_close(
        agent.q_values(pixels), torch.tensor(values["plain"]), rtol=1e-4, atol=1e-5
    )
    if must_repeat(GOLDEN):  # what is pruned hangs on the last bit
        found = agent.defend("sap-100", seed=0).q_values(pixels)
        assert found.tolist() == values["sap-100"]
        assert agent.q_values(pixels).tolist() == values["plain"]


def test_the_cards_say_what_they_said(capsys: pytest.CaptureFixture[str]) -> None:
    trained, hardened = (load_agent(FILES / "agents" / n) for n in ("Trained", "Hardened"))
    assert (trained.game, hardened.game) == ("BankHeist", "BankHeist")
    assert trained.facts["training"]["agent_steps"] == 1_600_015
    assert trained.facts["score"]["cap_30_minutes"]["mean"] == 931.0
    assert hardened.facts["hardening"]["lambda"] == 1.0
    assert hardened.facts["attacked"]["fgsm"]["mean"] == 920.67
    for agent in (trained, hardened):
        assert (agent.preprocess.height, agent.preprocess.width) == (36, 36)
        assert main(["agents", "show", str(FILES / "agents" / agent.name)]) == 0
        out = capsys.readouterr().out
        assert "BankHeist" in out
        assert "36" in out
