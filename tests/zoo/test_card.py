"""Where an agent comes from, by the cards that parents may have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sap_rl import Agent, Preprocess
from sap_rl.reporting.tables.evaluation import agents_table, console
from sap_rl.training.dqn.parent import parent_facts
from sap_rl.zoo.card import licence_of, parent_entries


def agent(**facts: Any) -> Agent:
    return Agent(torch.nn.Identity(), Preprocess(), "old", game="Pong", sha256="ab", facts=facts)


@pytest.mark.parametrize(
    ("facts", "steps"),
    [
        ({"training": {"agent_steps": 500}}, 500),
        ({"training": {"agent_steps": 500, "parent_steps": 300}}, 500),
        ({"training": {"agent_steps": 500, "parent_steps": "unknown"}}, "unknown"),
        ({"training": {"agent_steps": "many"}}, "unknown"),
        ({"training": 3}, "unknown"),
        ({"hardening": {"updates": 6405}}, "unknown"),
        ({"source": {"format": "sb3"}}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_steps_are_all_or_unknown(facts: dict[str, Any], steps: object) -> None:
    assert parent_entries(parent_facts(agent(**facts))) == {
        "parent": "old", "parent_sha256": "ab", "parent_steps": steps,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("licence", "child"),
    [
        ({"weights": "MIT"}, "MIT"),
        ({"weights": "CC-BY-NC-4.0"}, "CC-BY-NC-4.0"),
        ({"weights": "as its parent's"}, "as its parent's"),
        ({"weights": "as the source says"}, "as its parent's"),
        ({}, "as its parent's"),
        ("MIT", "as its parent's"),
        (None, "as its parent's"),
    ],
)
def test_a_licence_is_never_loosened(licence: object, child: str) -> None:
    assert licence_of(parent_facts(agent(licence=licence))) == {"weights": child}


def test_from_nothing() -> None:
    assert parent_entries(None) == {}
    assert licence_of(None) == {"weights": "MIT"}


def test_the_list_says_where_steps_are_not_all() -> None:
    known, unknown = ({"agent_steps": 5000, "parent_steps": p} for p in (3000, "unknown"))
    screen = console()
    with screen.capture() as caught:
        screen.print(agents_table([(agent(training=t), Path()) for t in (known, unknown)]))
    rows = [line for line in caught.get().splitlines() if "5,000" in line]
    assert ["+ ?" in row for row in rows] == [False, True]
