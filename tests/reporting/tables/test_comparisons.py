"""Tables of comparisons: who is named in them."""

from __future__ import annotations

import numpy as np
import pytest

from sap_rl.compare.paper import against_paper
from sap_rl.evaluation.results import Evaluation
from sap_rl.reporting.tables.comparisons import paper_report
from sap_rl.reporting.tables.evaluation import console
from tests.evaluation.made_up import made_up

LUCK = np.random.default_rng(0).normal(0, 10, 12)


def played_by(agent: str) -> Evaluation:
    cells = {
        ("original", 1.0, "own"): 50 + LUCK,
        ("defended", 1.0, "own"): 80 + LUCK[::-1],
    }
    return made_up(cells, agent=agent)


def first_columns(*evaluations: Evaluation, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    console().print(paper_report(against_paper(evaluations)))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    return [line.split()[:3] for line in lines[1 : 1 + len(evaluations)]]


def test_agents_are_named_where_several_play_a_game(capsys: pytest.CaptureFixture[str]) -> None:
    one, two = played_by("BankHeist"), played_by("Rival")
    assert [found[:2] for found in first_columns(one, capsys=capsys)] == [["BankHeist", "1"]]
    assert first_columns(one, two, capsys=capsys) == [
        ["BankHeist", "BankHeist", "1"], ["BankHeist", "Rival", "1"],
    ]  # fmt: skip
