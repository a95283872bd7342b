"""Where agents are found by name, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sap_rl import Agent, Preprocess, UsageError, load_agent
from sap_rl.agents import find_agent, shipped_agents
from sap_rl.networks import lookup

CHECKOUT = Path(__file__).resolve().parent.parent / "agents"


@pytest.mark.parametrize(
    "ref",
    [
        "BankHeist",
        "bank_heist",
        "ALE/BankHeist-v5",
        str(CHECKOUT / "BankHeist"),
        CHECKOUT / "BankHeist",
    ],
)
def test_the_shipped_agent_by_its_names(
    ref: str | Path, agent: Agent, recorded: np.ndarray
) -> None:
    found = load_agent(ref)
    assert (found.name, found.game, found.num_actions) == ("BankHeist", "BankHeist", 18)
    assert found.preprocess == Preprocess()
    assert found.sha256 == found.facts["weights"]["sha256"]
    assert torch.equal(found.q_values(recorded[:2]), agent.q_values(recorded[:2]))


def test_earlier_places_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = CHECKOUT / "BankHeist"
    assert find_agent("BankHeist") == shipped
    mine = tmp_path / "mine"
    for name in ("BankHeist", "Champion"):
        shutil.copytree(shipped, mine / name)
    monkeypatch.setenv("SAP_RL_AGENTS", str(mine))
    assert find_agent("BankHeist") == mine / "BankHeist"
    assert find_agent("bank_heist") == mine / "BankHeist"
    assert find_agent("Champion") == mine / "Champion"
    assert load_agent("Champion").game == "BankHeist"
    assert set(shipped_agents()) >= {"BankHeist", "Champion"}
    assert find_agent(str(shipped)) == shipped  # a path is a path
    monkeypatch.chdir(mine)
    assert find_agent("./BankHeist") == Path("BankHeist")
    monkeypatch.delenv("SAP_RL_AGENTS")
    assert find_agent("Champion") == Path("Champion")  # a folder here, known by no other name
    assert find_agent("BankHeist") == shipped


def test_the_wheel_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "sap_rl"
    shutil.copytree(CHECKOUT / "BankHeist", package / "_agents" / "BankHeist")
    monkeypatch.setattr(lookup, "__file__", str(package / "networks" / "lookup.py"))
    assert find_agent("BankHeist") == package / "_agents" / "BankHeist"
    shutil.copytree(CHECKOUT / "BankHeist", package.parent / "agents" / "BankHeist")
    assert find_agent("BankHeist") == package.parent / "agents" / "BankHeist"


@pytest.mark.parametrize(
    ("ref", "options", "message"),
    [
        ("BankHiest", {}, "unknown agent 'BankHiest'; choose from BankHeist, "),
        ("ALE/BankHiest-v5", {}, "unknown agent 'ALE/BankHiest-v5'; choose from BankHeist, "),
        ("Tetris", {}, "no agent for Tetris is shipped: give one's file or folder"),
        (
            "some/where",
            {},
            "there is no agent's folder 'some/where'; on the hub it is hub:some/where",
        ),
        ("BankHeist", {"format": "pickle"}, "unknown format 'pickle'; choose from native"),
        ("BankHeist", {"device": "gpu"}, "device 'gpu' cannot be used: "),
        ("BankHeist", {"device": "meta"}, "device 'meta' cannot be used: "),
        ("BankHeist", {"device": "hpu"}, "device 'hpu' cannot be used: "),
    ],
)
def test_agents_refused(ref: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        load_agent(ref, **options)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no agent\.toml in it and no file that looks"):
        load_agent(tmp_path)
