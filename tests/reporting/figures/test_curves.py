"""Which numbers become which line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sap_rl.atari.protocol import Protocol
from sap_rl.attacks.schedule import Schedule
from sap_rl.play.arms import Arm
from sap_rl.reporting.figures.curves import change_curves, curves, panels
from tests.reporting.made import evaluation, returns


def test_a_single_evaluation_has_a_line_per_arm_and_victim() -> None:
    (panel,) = panels([evaluation()])
    found = {curve.label: curve for curve in curves(panel)}
    assert list(found) == [
        "random policy", "original", "sap-100, own gradient", "sap-100, original's gradient",
        "noise control, own gradient", "noise control, original's gradient",
    ]  # fmt: skip
    assert [row.lam for row in found["random policy"].rows] == [0.0]
    for label, name, victim in (
        ("original", "original", "own"),
        ("sap-100, original's gradient", "defended", "original"),
        ("noise control, own gradient", "noise-control", "own"),
    ):
        rows = found[label].rows
        assert [row.lam for row in rows] == [0.0, 0.25, 1.0, 4.0]
        assert rows[0].returns == tuple(returns(Arm(name), 4))  # type: ignore[arg-type]
        assert rows[2].returns == tuple(returns(Arm(name, 1.0, victim), 4))  # type: ignore[arg-type]


def test_games_and_attacks_have_panels_of_their_own() -> None:
    same = [evaluation(), evaluation(seed=1)]
    others = [
        evaluation(game="Assault"),
        evaluation(attack="pgd", attack_options={"steps": 3}),
        evaluation(schedule=Schedule("rate", 0.25)),
        evaluation(attack_backward="identity"),
    ]
    found = panels([*same, *others])
    assert [(panel.game, panel.attack, len(panel.evaluations)) for panel in found] == [
        ("Assault", "fgsm", 1),
        ("BankHeist", "fgsm", 2),
        ("BankHeist", "fgsm, backward identity", 1),
        ("BankHeist", "fgsm, rate 0.25", 1),
        ("BankHeist", "pgd, steps 3", 1),
    ]


def test_several_agents_are_told_apart_and_the_defended_take_the_stronger_attack() -> None:
    hard = evaluation(agent="hardened", sha256="11", brought={Arm("original"): [1.0, 2, 3, 4]})
    (panel,) = panels([evaluation(), hard])
    found = curves(panel)
    assert [curve.label for curve in found] == [
        "random policy", "BankHeist", "BankHeist + sap-100", "hardened", "hardened + sap-100",
    ]  # fmt: skip
    assert [curve.agent for curve in found] == [0, 0, 0, 1, 1]
    assert [row.victim for row in found[2].rows] == [None, "original", "original", "original"]
    changes = change_curves(panel)
    assert [line.label for line in changes] == ["BankHeist + sap-100", "hardened + sap-100"]
    assert all(change.headline for line in changes for change in line.changes)


def test_lines_that_are_the_same_are_drawn_once() -> None:
    """Two defences of one agent: the undefended games are the same."""
    (panel,) = panels([evaluation(), evaluation(defense="sap-50")])
    assert [curve.label for curve in curves(panel)] == [
        "random policy", "original", "sap-100", "sap-50",
    ]  # fmt: skip


def test_lines_of_one_name_get_numbers() -> None:
    other = evaluation(seed=1, brought={Arm("original"): [1.0, 2, 3, 4]})
    (panel,) = panels([evaluation(), other])
    labels = [curve.label for curve in curves(panel)]
    assert "original (1)" in labels
    assert "original (2)" in labels


def test_rows_without_a_mean_are_no_points() -> None:
    whole = evaluation((1.0,))
    rows = [replace(row, mean=None) if row.arm == "noise-control" else row for row in whole.rows]
    (panel,) = panels([replace(whole, rows=tuple(rows))])
    assert not any(curve.arm == "noise-control" for curve in curves(panel))


def test_incomplete_arms_are_no_points() -> None:
    """Ctrl-C in the middle of an arm leaves a mean of the episodes that ended first."""
    whole = evaluation((1.0,))
    unfinished = [("noise-control", 1.0, "own"), ("original", 1.0, "own"), ("random", 0.0, None)]
    rows = [
        replace(row, complete=(row.arm, row.lam, row.victim) not in unfinished)
        for row in whole.rows
    ]
    (panel,) = panels([replace(whole, rows=tuple(rows))])
    drawn = [row for curve in curves(panel) for row in curve.rows]
    assert {(r.arm, r.lam, r.victim) for r in drawn} == {
        (r.arm, r.lam, r.victim) for r in rows if r.complete
    }
    none = replace(whole, rows=tuple(replace(row, complete=False) for row in rows), changes=())
    assert curves(panels([none])[0]) == ()


def test_other_rules_are_another_panel_whose_title_says_which() -> None:
    """Episodes cut at another cap, other epsilons, precisions, samples: not comparable."""
    plain = evaluation()
    assert [panel.attack for panel in panels([plain, evaluation(seed=1)])] == ["fgsm"]
    for other, words in (
        (evaluation(protocol=Protocol(max_frames=1000)), "max frames {}: 18000 1000"),
        (evaluation(protocol=Protocol(epsilon=0.5)), "epsilon {}: 0.01 0.5"),
        (evaluation(protocol=Protocol(policy_samples=4)), "policy samples {}: 1 4"),
        (evaluation(precision="bfloat16"), "precision {}: float32 bfloat16"),
    ):
        text, values = words.split(": ")
        wanted = {f"fgsm ({text.format(value)})" for value in values.split()}
        assert {panel.attack for panel in panels([plain, other])} == wanted
        assert all(not panel.several for panel in panels([plain, other]))
        assert [panel.attack for panel in panels([other])] == ["fgsm"], "alone"
    elsewhere = evaluation(game="Assault", protocol=Protocol(max_frames=1000))
    assert [panel.attack for panel in panels([plain, elsewhere])] == ["fgsm", "fgsm"]


@pytest.mark.parametrize("options", [{"defense": None}, {"defense": None, "controls": False}])
def test_an_undefended_evaluation_has_no_changes(options: dict[str, object]) -> None:
    (panel,) = panels([evaluation(**options)])  # type: ignore[arg-type]
    assert change_curves(panel) == ()
    assert "original" in [curve.label for curve in curves(panel)]


def test_the_clean_change_stands_once() -> None:
    (panel,) = panels([evaluation()])
    lines = change_curves(panel)
    assert [change.lam for line in lines for change in line.changes].count(0.0) == 1
    assert [change.lam for change in lines[1].changes] == [0.25, 1.0, 4.0]
