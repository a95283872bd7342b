"""An audit's bounds: whose actions, on which frames, and what the card says of them."""

from __future__ import annotations

import json
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


def test_the_card_says_what_is_proven_broken_and_undecided_on_the_same_frames() -> None:
    """Of 9 recorded frames 1, 5 and 9 are bounded; the attacks turn 1, and 2, 5, 6; the one
    stronger on all frames turns no more of these three, and the noise at lambda 2 is another's."""
    facts = AuditFacts(
        replace(ALONE, episodes=1, frames=9),
        AgentFacts("step", None, Preprocess(), "cpu", 1), Made({}),
    )  # fmt: skip
    frames = [
        FrameResult(
            "original", title, lam, len(turned) / 9, 0, 0, (0.0,), (0.0,),
            tuple(i in turned for i in range(1, 10)), (), 0, 1, 1,
        )
        for title, lam, turned in (("pgd", 1, (1,)), ("fgsm", 1, (2, 5, 6)), ("noise", 2, (9,)))
    ]  # fmt: skip
    proven = (Proven("original", 1.0, 3, 0),)
    card = AuditCard(facts, True, tuple(frames), (), {"original": ORIGINAL}, certified=proven)
    text = " ".join(printed(audit_report(card)).split())
    assert (
        "On 3 of the recorded frames at lambda 1 no attack whatever can change 0% of original's "
        "actions (bounds), some attack of the suite changes 67%, 33% are undecided."
    ) in text
    (plain,) = json.loads(card.to_json())["certified"]
    assert (plain["frames"], plain["certified"], plain["broken"]) == (3, 0, 2)
    assert card.broken(Proven("original", 3.0, 3, 0)) == 0.0
