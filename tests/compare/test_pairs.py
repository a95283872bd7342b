"""Two sides cell by cell: what is matched, how it is tested, what is said of the rest."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sap_rl.atari.protocol import Protocol
from sap_rl.attacks.schedule import Schedule
from sap_rl.compare.pairs import compare
from sap_rl.compare.played import CellName, attack_name, played_cells
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Evaluation
from tests.evaluation.made_up import Given, made_up, rewritten

LUCK = np.random.default_rng(0).normal(0, 20, 12)
FLAT = np.random.default_rng(1).normal(0, 20, 12)


def cells(original: float = 400, defended: float = 300, own: float = 100) -> Given:
    return {
        ("random", 0.0, None): 10 + FLAT,
        ("original", 0.0, None): original + LUCK,
        ("defended", 0.0, None): defended + LUCK,
        ("original", 1.0, "own"): 50 + LUCK,
        ("defended", 1.0, "own"): own + FLAT,
    }


def named(found: tuple[CellName, ...]) -> list[str]:
    return [name.text for name in found]


def test_the_same_side_twice() -> None:
    found = compare([made_up(cells())], [made_up(cells())])
    assert not found.differs
    assert all(cell.identical and cell.paired and cell.p_holm == 1.0 for cell in found.cells)
    assert [cell.name.text for cell in found.cells] == [
        "BankHeist random, clean",
        "BankHeist BankHeist sap-100, clean",
        "BankHeist BankHeist sap-100, fgsm at lambda 1 on own gradient",
        "BankHeist BankHeist original, clean",
        "BankHeist BankHeist original, fgsm at lambda 1 on own gradient",
    ]
    assert (found.only_a, found.only_b, found.short, found.notes) == ((), (), (), ())


def test_one_cell_moved() -> None:
    """Paired by episode with luck of its own: scipy's paired test, times five cells."""
    moved = cells()
    moved = {**moved, ("defended", 1.0, "own"): 130 + LUCK}
    found = compare([made_up(cells())], [made_up(moved)])
    (cell,) = (cell for cell in found.cells if not cell.identical)
    expected = stats.ttest_rel(130 + LUCK, 100 + FLAT)
    bounds = expected.confidence_interval(0.95)
    assert cell.name.victim == "own"
    assert cell.difference == pytest.approx(30 + LUCK.mean() - FLAT.mean())
    assert (cell.low, cell.high) == pytest.approx((bounds.low, bounds.high))
    assert cell.p_holm == pytest.approx(5 * expected.pvalue)
    assert cell.differs == (5 * expected.pvalue < 0.05)
    assert found.differs
    plain = json.loads(found.to_json())
    assert plain["differs"] is True
    assert [c["differs"] for c in plain["cells"]].count(True) == 1


def test_one_of_five_cells_at_two_percent_is_no_difference() -> None:
    spread = LUCK.std(ddof=1) / 12**0.5
    shift = stats.t.isf(0.01, 11) * spread - LUCK.mean()
    moved = {**cells(), ("defended", 1.0, "own"): 100 + FLAT + shift + LUCK}
    found = compare([made_up(cells())], [made_up(moved)])
    (cell,) = (cell for cell in found.cells if not cell.identical)
    assert (cell.p, cell.p_holm) == pytest.approx((0.02, 0.1))
    assert not cell.differs
    assert not found.differs


def test_other_seeds_are_not_paired() -> None:
    found = compare([made_up(cells())], [made_up(cells(), seed=1)])
    assert not any(cell.paired or cell.identical for cell in found.cells)
    clean = next(c for c in found.cells if c.name.player == "original" and not c.name.attack)
    assert clean.p == pytest.approx(1.0)  # Welch of two samples of one mean


def test_seeds_that_both_have_are_paired_and_the_rest_is_left() -> None:
    ours = [made_up(cells(), seed=1), made_up(cells(), seed=2)]
    theirs = [made_up(cells(own=160), seed=2), made_up(cells(), seed=3)]
    own = next(c for c in compare(ours, theirs).cells if c.name.victim == "own")
    assert (own.paired, own.episodes_a) == (True, 12)
    attacked = [c for c in compare(ours, theirs).cells if c.name.player == "sap-100"]
    assert attacked[1].difference == pytest.approx(60.0)


def test_longer_cells_are_paired_over_the_common_episodes() -> None:
    short = {cell: returns[:7] for cell, returns in cells().items()}
    found = compare([made_up(cells())], [made_up(short)])
    assert all(cell.identical and cell.episodes_a == 7 for cell in found.cells)
    one = {cell: returns[:1] for cell, returns in cells().items()}
    found = compare([made_up(cells())], [made_up(one)])
    assert (found.cells, len(found.short), found.differs) == ((), 5, False)


def test_cells_of_one_side_are_listed() -> None:
    other = made_up(
        {("random", 0.0, None): FLAT, ("original", 0.0, None): LUCK,
         ("original", 1.0, "own"): LUCK, ("original", 2.0, "own"): LUCK},
        attack="pgd", attack_options={"steps": 4}, defense=None,
    )  # fmt: skip
    found = compare([made_up(cells())], [other])
    assert [cell.name.player for cell in found.cells] == ["random", "original"]
    assert named(found.only_a) == [
        "BankHeist BankHeist sap-100, clean",
        "BankHeist BankHeist sap-100, fgsm at lambda 1 on own gradient",
        "BankHeist BankHeist original, fgsm at lambda 1 on own gradient",
    ]
    assert named(found.only_b) == [
        "BankHeist BankHeist original, pgd steps=4 at lambda 1 on own gradient",
        "BankHeist BankHeist original, pgd steps=4 at lambda 2 on own gradient",
    ]


def test_incomplete_cells_do_not_count() -> None:
    whole = made_up(cells())
    rows = (*whole.rows[:-1], replace(whole.rows[-1], complete=False))
    found = compare([whole], [replace(whole, rows=rows)])
    assert named(found.only_a) == ["BankHeist BankHeist sap-100, fgsm at lambda 1 on own gradient"]


def test_what_may_differ_is_said() -> None:
    found = compare([made_up(cells())], [made_up(cells(), said={"torch": "2.9.0"})])
    assert found.notes == ("torch: 2.8.0 in A, 2.9.0 in B",)


def test_names_say_options_schedule_and_mode() -> None:
    evaluation = made_up(
        cells(), attack="pgd", attack_options={"steps": 4, "objective": "margin"},
        schedule=Schedule("rate", 0.25), attack_backward="full",
        defense_options={"sampler": "bernoulli"},
    )  # fmt: skip
    assert (
        attack_name(evaluation.settings) == "pgd objective=margin steps=4 rate-0.25 backward=full"
    )
    assert any(
        name.player == "sap-100 sampler=bernoulli" for name in played_cells([evaluation], "")
    )


REFUSED: list[tuple[str, list[Evaluation], str]] = [
    ("other game", [made_up(cells(), game="Assault", agent="Assault")],
     "no cell in common: game BankHeist against Assault"),
    ("other agent", [made_up({k: v for k, v in cells().items() if k[0] != "random"}, agent="Mine")],
     "no cell in common: agent BankHeist against Mine"),
    ("other rules", [made_up(cells(), protocol=Protocol(max_frames=3000, epsilon=0.0))],
     "different protocols in BankHeist random, clean: epsilon 0.01 against 0.0; max_frames 18000 "
     "against 3000"),
    ("two protocols",
     [made_up(cells()), made_up(cells(), seed=1, protocol=Protocol(max_frames=3000))],
     "B holds two protocols for BankHeist random, clean: max_frames 18000 against 3000"),
    ("nothing complete", [replace(made_up(cells()), rows=())], "B holds no complete cell"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "theirs", "why"), REFUSED, ids=[case for case, *_ in REFUSED])
def test_refusals(case: str, theirs: list[Evaluation], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        compare([made_up(cells())], theirs)


def test_the_longest_of_repeated_cells_counts() -> None:
    short = {cell: returns[:7] for cell, returns in cells().items()}
    found = played_cells([made_up(short), made_up(cells()), made_up(short)], "A")
    assert {seeds[0].row.episodes for seeds in found.values()} == {12}


def test_two_files_of_one_name_are_two_agents_whichever_comes_first() -> None:
    one = rewritten(made_up(cells(), agent="final"), agent_sha256="a" * 64)
    two = rewritten(made_up(cells(original=550, own=130), agent="final"), agent_sha256="b" * 64)
    for side in ([one, two], [two, one]):
        found = played_cells(side, "A")
        clean = {
            n.agent: s[0].row.mean for n, s in found.items() if (n.arm, n.lam) == ("original", 0.0)
        }
        assert clean == pytest.approx(
            {"final@aaaaaaaa": 400 + LUCK.mean(), "final@bbbbbbbb": 550 + LUCK.mean()}
        )
        assert sum(name.arm == "random" for name in found) == 1, "which needs no agent"
    found = compare([one, two], [two])
    assert {cell.name.agent for cell in found.cells} == {"", "final@bbbbbbbb"}
    assert {name.agent for name in found.only_a} == {"final@aaaaaaaa"}
    assert all(cell.identical for cell in found.cells)


def test_one_file_on_each_side_is_compared_under_its_name_and_the_difference_said() -> None:
    one = rewritten(made_up(cells(), agent="final"), agent_sha256="a" * 64)
    two = rewritten(made_up(cells(), agent="final"), agent_sha256="b" * 64)
    found = compare([one], [two])
    assert {cell.name.agent for cell in found.cells} == {"", "final"}
    assert found.notes == ("agent sha256: aaaaaaaaaaaa in A, bbbbbbbbbbbb in B",)


def test_two_files_behind_one_defence_or_one_gradient_are_two() -> None:
    """Whoever plays as `agent:hard` and whoever lends the gradient of victim `other`."""
    given: Given = {
        ("original", 0.0, None): 400 + LUCK,
        ("defended", 0.0, None): 300 + LUCK,
        ("original", 1.0, "other"): 200 + LUCK,
        ("defended", 1.0, "other"): 100 + LUCK,
    }
    hard = made_up(given, defense="agent:hard")
    hashes = {"defended_sha256": "a" * 64, "other": "o", "other_sha256": "c" * 64}
    side = [rewritten(hard, **hashes), rewritten(hard, **hashes | {"defended_sha256": "b" * 64})]
    names = played_cells(side, "A")
    assert {n.defense for n in names if n.arm == "defended"} == {
        "agent:hard@aaaaaaaa", "agent:hard@bbbbbbbb",
    }  # fmt: skip
    assert {n.victim for n in names} == {"", "other"}
    assert len(names) == 6, "the original's cells are the same in both"
    names = played_cells([side[0], rewritten(hard, **hashes | {"other_sha256": "d" * 64})], "A")
    assert {n.victim for n in names} == {"", "other@cccccccc", "other@dddddddd"}
    found = compare(side[:1], side[1:])
    assert found.notes == ("defended sha256: aaaaaaaaaaaa in A, bbbbbbbbbbbb in B",)
