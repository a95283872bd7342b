"""An audit's bounds: whose actions, on which frames, and what the card says of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sap_rl import Agent, Preprocess, Protocol
from sap_rl.audit.card import AuditCard, AuditFacts
from sap_rl.audit.cells import AuditCell
from sap_rl.audit.checks import ORIGINAL
from sap_rl.audit.frames import FrameResult
from sap_rl.audit.proof import Proven, proof_cells, prove
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import Kind
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.play.players import Players
from sap_rl.reporting.tables.audit import audit_report
from sap_rl.reporting.tables.evaluation import printed

ALONE = AuditSettings("BankHeist", (0.5, 1.0), defense=None)


@pytest.fixture
def players() -> Players:
    """An agent that acts on whether the first pixel is above one half."""
    layer = nn.Linear(4, 2)
    layer.weight.data = torch.tensor([[0.0, 0, 0, 0], [1.0, 0, 0, 0]])
    layer.bias.data = torch.tensor([0.5, 0.0])
    module = nn.Sequential(nn.Flatten(), layer)
    agent = Agent(module, Preprocess(frames=1, height=2, width=2), name="step", game="BankHeist")
    return Players(agent, Protocol(), 0)


def test_frames_are_taken_evenly_and_counted(players: Players) -> None:
    """Of 9 first pixels from 124 to 132, three in between are 124, 128 and 132, half is 127.5."""
    recorded = np.zeros((9, 1, 2, 2), np.uint8)
    recorded[:, 0, 0, 0] = np.arange(124, 133)
    for lam, certified in ((0.4, 3), (1.0, 2), (4.0, 1), (5.0, 0)):
        cell = AuditCell("certified", "original", lam=lam)
        assert prove(players, cell, recorded, 3) == Proven("original", lam, 3, certified)
    assert prove(players, AuditCell("certified", "original", lam=1.0), recorded, 99).frames == 9


def test_only_a_player_without_randomness_is_bounded(players: Players) -> None:
    kinds = {"original": ORIGINAL}
    assert [cell.lam for cell in proof_cells(players, kinds, ALONE)] == [0.5, 1.0]
    random = {"defended": Kind(True, (), undefended=False)} | kinds
    defended = replace(players, defended=players.original)
    assert proof_cells(defended, random, ALONE) == []
    assert proof_cells(players, kinds, replace(ALONE, certified=0)) == []
    odd = replace(players.original, module=nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.Tanh()))
    assert proof_cells(replace(players, original=odd), kinds, ALONE) == []


def test_its_cost_is_bounded() -> None:
    assert [replace(ALONE, lams=lams).certified_each for lams in ((1.0,), (1.0, 2.0), ())] == [
        48, 24, 8
    ]  # fmt: skip


def test_the_card_says_what_is_proven_broken_and_undecided() -> None:
    facts = AuditFacts(
        replace(ALONE, episodes=1, frames=4),
        AgentFacts("step", None, Preprocess(), "cpu", 1), Made({}),
    )  # fmt: skip
    frames = [
        FrameResult("original", title, 1.0, flips, 0, 0, (0.0,), (0.0,), (), (), 0, 1, 1)
        for title, flips in (("pgd", 0.25), ("fgsm", 0.5))
    ]
    proven = (Proven("original", 1.0, 40, 12),)
    card = AuditCard(facts, True, tuple(frames), (), {"original": ORIGINAL}, certified=proven)
    text = " ".join(printed(audit_report(card)).split())
    assert (
        "At lambda 1 no attack whatever can change 30% of original's actions (bounds on 40 of the "
        "recorded frames); the strongest on frames changes 50%, 20% are undecided."
    ) in text
