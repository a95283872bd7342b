"""Our changes beside the paper's: BankHeist -59.2% clean, +131.7% at lambda 1."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sap_rl.atari.protocol import Protocol
from sap_rl.compare.paper import against_paper
from sap_rl.errors import UsageError
from tests.evaluation.made_up import Given, made_up, rewritten

LUCK = np.random.default_rng(0).normal(0, 10, 30)


def cells(clean: float, attacked: float) -> Given:
    """Original 500 clean and 100 at lambda 1."""
    return {
        ("random", 0.0, None): 10 + LUCK[::-1],
        ("original", 0.0, None): 500 + LUCK,
        ("defended", 0.0, None): clean + LUCK[::-1],
        ("original", 1.0, "own"): 100 + LUCK,
        ("defended", 1.0, "own"): attacked + LUCK[::-1],
        ("defended", 1.0, "original"): attacked + LUCK[::-1],
    }


@pytest.mark.parametrize(
    ("clean", "attacked", "signs", "inside"),
    [
        (500 * 0.408, 231.7, ["same", "same"], [True, True]),
        (400, 150, ["same", "same"], [False, False]),
        (600, 90, ["other", "other"], [False, False]),
        (500, 100, ["unclear", "unclear"], [False, False]),
    ],
)
def test_sign_and_interval(
    clean: float, attacked: float, signs: list[str], inside: list[bool]
) -> None:
    found = against_paper([made_up(cells(clean, attacked))])
    assert [(cell.lam, cell.paper) for cell in found.cells] == [(0.0, -59.2), (1.0, 131.7)]
    assert [cell.sign for cell in found.cells] == signs
    assert [cell.inside for cell in found.cells] == inside
    assert found.differs == (False in inside)
    assert json.loads(found.to_json())["differs"] == found.differs


def test_what_is_missing_and_passed_over_is_said() -> None:
    found = against_paper([made_up(cells(400, 150))])
    assert found.missing == (("BankHeist", 2.0), ("BankHeist", 4.0), ("BankHeist", 8.0))
    assert found.passed_over == 1  # the original's gradient
    assert "cap in emulator frames 18000" in found.protocol
    assert "episodes per arm 30" in found.protocol


def test_a_change_without_a_percentage_is_neither_inside_nor_outside() -> None:
    """An original that keeps nothing: 0 to 2 points of 490."""
    given = {**cells(400, 5), ("original", 1.0, "own"): np.arange(30) % 3}
    cell = against_paper([made_up(given)]).cells[1]
    assert (cell.percent, cell.inside, cell.low) == (None, None, None)
    assert "unstable_denominator" in cell.flags


def test_only_the_papers_protocol_is_set_beside_it() -> None:
    for other in ({"defense": "sap-50"}, {"attack": "pgd"}, {"lams": (1.0,), "game": "Pong"}):
        given = {k: v for k, v in cells(400, 150).items() if k[1] > 0}
        with pytest.raises(UsageError, match="no change follows the paper's protocol"):
            against_paper([made_up(given, **other)])


def test_a_clean_cell_that_two_evaluations_share_comes_once() -> None:
    both = [made_up(cells(400, 150)), made_up(cells(400, 150), attack="pgd")]
    assert [cell.lam for cell in against_paper(both).cells] == [0.0, 1.0]


def test_of_repeated_cells_the_longest_counts_whichever_comes_first() -> None:
    """Three episodes that were tried first must not stand for thirty."""
    short = made_up({cell: returns[:3] for cell, returns in cells(450, 120).items()})
    long = made_up(cells(400, 150))
    for both in ([short, long], [long, short]):
        assert [cell.episodes for cell in against_paper(both).cells] == [30, 30]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"protocol": Protocol(max_frames=3000)}, "max_frames 18000 against 3000"),
        ({"seed": 1, "protocol": Protocol(epsilon=0.0)}, "epsilon 0.01 against 0.0"),
        ({"precision": "bfloat16"}, "precision float32 against bfloat16"),
    ],
)
def test_two_protocols_are_not_set_beside_one_number(other: dict[str, object], why: str) -> None:
    with pytest.raises(UsageError, match=f"BankHeist: two protocols, {why}; leave one out"):
        against_paper([made_up(cells(400, 150)), made_up(cells(400, 150), **other)])


def test_passes_per_gradient_are_a_rule_of_attacked_cells_alone() -> None:
    first = made_up(cells(400, 150))
    rows = tuple(
        replace(row, grad_samples=1) if row.arm == "defended" and row.victim else row
        for row in first.rows
    )
    with pytest.raises(UsageError, match="two protocols, grad_samples 10 against 1"):
        against_paper([first, replace(first, rows=rows)])
    newest = made_up(cells(400, 150), protocol=Protocol(frames="newest"))
    assert [cell.lam for cell in against_paper([first, newest]).cells] == [0.0, 1.0]


def test_two_files_of_one_name_are_two_agents() -> None:
    both = [made_up(cells(400, 150)), made_up(cells(450, 120))]
    both[1] = rewritten(both[1], agent_sha256="f" * 64)
    found = against_paper(both)
    assert [(cell.lam, cell.agent[-8:]) for cell in found.cells] == [
        (0.0, "0" * 8), (0.0, "f" * 8), (1.0, "0" * 8), (1.0, "f" * 8),
    ]  # fmt: skip
