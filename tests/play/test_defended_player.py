"""Another agent in the original's place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sap_rl import Agent, Preprocess, Protocol, UsageError, evaluate, load_agent
from sap_rl.audit.run import Audit
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import DEEP, SUITE, applied
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.evaluation.settings import Settings
from sap_rl.networks.loaders.native import write_native
from sap_rl.play.arms import Arm
from sap_rl.play.defended_name import defended_name, parse_defended_player
from sap_rl.play.defended_player import defended_by
from sap_rl.play.noise_control import add_noise_control

SHORT = Protocol(max_frames=60)


@pytest.fixture
def other(tmp_path: Path) -> str:
    """BankHeist's network with its weights shaken: another agent of the same game."""
    agent = load_agent("BankHeist")
    with torch.no_grad():
        for parameter in agent.module.parameters():
            parameter.mul_(1.25)
    folder = tmp_path / "Other"
    write_native(
        folder, agent.module, kind="nature", num_actions=18, game="BankHeist",
        preprocess=agent.preprocess, facts={},
    )  # fmt: skip
    return str(folder)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sap-100", (None, "sap-100")),
        ("agent:BankHeist-hardened", ("BankHeist-hardened", None)),
        ("agent:x/y+sap-50", ("x/y", "sap-50")),
    ],
)
def test_spellings(text: str, found: tuple[str | None, str | None]) -> None:
    assert parse_defended_player(text) == found


def test_names_are_short_in_tables_of_one_game() -> None:
    assert defended_name("agent:agents/BankHeist-hardened+sap-100", "BankHeist") == (
        "hardened+sap-100"
    )
    assert defended_name("sap-100", "BankHeist") == "sap-100"


@pytest.mark.parametrize("text", ["agent:", "agent:x+", "agent:x+spa-100", "agents:x"])
def test_spellings_that_mean_nothing(text: str) -> None:
    with pytest.raises(UsageError):
        parse_defended_player(text)


def test_the_other_agent_plays_as_defended(other: str) -> None:
    original = load_agent("BankHeist")
    found, bare = defended_by(original, f"agent:{other}", seed=0, precision="float32")
    assert bare is None
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 84, 84), dtype=np.uint8)
    assert found.q_values(pixels).equal(load_agent(other).q_values(pixels))
    assert found.defense == f"agent:{other}"
    pruned, _ = defended_by(original, f"agent:{other}+sap-100", seed=0, precision="float32")
    assert not pruned.q_values(pixels).equal(pruned.q_values(pixels))
    assert pruned.defense == f"agent:{other}+sap-100"


@pytest.mark.parametrize("defense", ["sap-100", "agent:{other}", "agent:{other}+sap-100"])
def test_victim_original_is_the_network_under_the_defence(other: str, defense: str) -> None:
    """SAP's strongest transfer attack comes from the network that it prunes; a network without a
    defence is attacked from the one whose place it took."""
    original, network = load_agent("BankHeist"), load_agent(other)
    settings = Settings("BankHeist", (1.0,), defense=defense.format(other=other))
    players = EvaluationRun(original, settings).players
    expected = network if defense.endswith("+sap-100") else original
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 84, 84), dtype=np.uint8)
    for now in (players, players.apart()):
        lender = now.victim(Arm("defended", 1.0, "original"))
        assert lender.q_values(pixels).equal(expected.q_values(pixels))
        lender = now.victim(Arm("original", 1.0, "original"))
        assert lender.q_values(pixels).equal(original.q_values(pixels))
    add_noise_control(players, 1e-7)
    torch.testing.assert_close(
        players.agent("noise-control").q_values(pixels),
        expected.q_values(pixels),
        atol=1e-5,
        rtol=0,
    )
    assert (
        players.victim(Arm("noise-control", 1.0, "original"))
        .q_values(pixels)
        .equal(expected.q_values(pixels))
    )


def test_an_evaluation_compares_the_two_agents(other: str) -> None:
    found = evaluate(
        "BankHeist", "BankHeist", lam=1.0, defense=f"agent:{other}", episodes=2, protocol=SHORT
    )
    arms = [(row.arm, row.lam, row.victim) for row in found.rows]
    assert arms == [
        ("random", 0.0, None), ("original", 0.0, None), ("defended", 0.0, None),
        ("original", 1.0, "own"), ("defended", 1.0, "own"), ("defended", 1.0, "original"),
    ]  # fmt: skip  # no noisy control: nobody is noisy
    assert all("no_controls" not in change.flags for change in found.changes)
    assert found.changes[0].paper_percent is None
    assert found.agent.defended_sha256 == load_agent(other).sha256


def test_an_audit_of_it_knows_transfer_and_long_searches(other: str) -> None:
    settings = AuditSettings(
        "BankHeist", (1.0,), defense=f"agent:{other}", budget="quick", episodes=2, frames=2,
        every=2, strongest=1, protocol=SHORT,
    )  # fmt: skip
    audit = Audit(load_agent("BankHeist"), settings)
    assert list(audit.kinds) == ["defended", "original"]
    titles = {entry.title for entry in applied(audit.kinds["defended"], audit.suite)}
    assert {"pgd-100 margin", "pgd-20 margin r3", "pgd-5 margin original"} <= titles
    assert audit.suite == (*SUITE, *DEEP)
    list(audit.run())
    card = audit.card()
    assert card.complete
    assert any("keeps" in verdict and "Other" in verdict for verdict in card.verdicts)
    pruned = replace(settings, defense=f"agent:{other}+sap-100")
    assert Audit(load_agent("BankHeist"), pruned).suite == (*SUITE, *DEEP)
    random = Audit(load_agent("BankHeist"), replace(settings, defense="sap-100"))
    assert random.suite == SUITE


def test_refusals(other: str) -> None:
    original = load_agent("BankHeist")
    with pytest.raises(UsageError, match="no defence that takes sampler"):
        defended_by(original, f"agent:{other}", seed=0, precision="float32", sampler="exact")
    smaller = replace(original, preprocess=Preprocess(height=42, width=42))
    assert isinstance(smaller, Agent)
    with pytest.raises(UsageError, match="sees other frames"):
        defended_by(smaller, f"agent:{other}", seed=0, precision="float32")
    with pytest.raises(UsageError, match="Nobody"):
        evaluate("BankHeist", "BankHeist", lam=1.0, defense="agent:Nobody", protocol=SHORT)
    with pytest.raises(UsageError, match="Assault"):
        evaluate("BankHeist", "BankHeist", lam=1.0, defense="agent:Assault", protocol=SHORT)
