"""Which checks an evaluation runs on its rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sap_rl.atari.protocol import Protocol
from sap_rl.evaluation.checks import evaluation_findings
from sap_rl.evaluation.comparison import Finding
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import ArmFacts, ArmStats, make_changes, make_row
from sap_rl.play.arms import Arm
from sap_rl.play.rollout import Episode

SETTINGS = Settings("BankHeist", (1.0, 4.0), defense="sap-100", episodes=30)
SPREAD = np.random.default_rng(0).normal(0, 1, 30)


def row(arm: str, mean: float, lam: float, victim: str | None, **measured: Any) -> Row:
    returns = mean + SPREAD * (1 if arm == "original" else -1)
    arm_stats = ArmStats(
        [Episode(i, float(r), 10, False) for i, r in enumerate(returns)], seconds=1.0
    )
    defense = "sap-100" if arm == "defended" else None
    made = make_row(SETTINGS, Arm(arm, lam, victim), ArmFacts(defense=defense), arm_stats)  # type: ignore[arg-type]
    return replace(made, **measured)


GOOD = {"idle": 0.0, "backward_passes": 1.0, "struck": 1.0}


def healthy() -> list[Row]:
    return [
        row("random", 10, 0.0, None),
        row("original", 900, 0.0, None),
        row("defended", 600, 0.0, None),
        row("original", 400, 1.0, "own", linf_mean=1.0, **GOOD),
        row("defended", 200, 1.0, "own", linf_mean=1.0, **GOOD),
        row("defended", 300, 1.0, "original", linf_mean=1.0, **GOOD),
        row("original", 40, 4.0, "own", linf_mean=4.0, **GOOD),
        row("defended", 20, 4.0, "own", linf_mean=4.0, **GOOD),
        row("defended", 30, 4.0, "original", linf_mean=4.0, **GOOD),
    ]


def findings(rows: list[Row], settings: Settings = SETTINGS) -> list[Finding]:
    return list(evaluation_findings(settings, rows, make_changes(settings, rows)))


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert findings(healthy()) == []


PLANTED: list[tuple[str, int, Row, str]] = [
    ("zero_gradients", 4, replace(healthy()[4], idle=0.5), "sap-100 at lambda 1, own gradient"),
    ("transfer_stronger", 5, row("defended", 100, 1.0, "original", **GOOD),
     "sap-100 at lambda 1, original's gradient"),
    ("return_rises", 7, row("defended", 250, 4.0, "own", **GOOD), "sap-100, own gradient"),
    ("no_better_than_random", 1, row("original", 10, 0.0, None), "original at lambda 0"),
    ("no_variance", 1, replace(healthy()[1], returns=(900.0,) * 30), "original at lambda 0"),
    ("too_few_episodes", 4, row("defended", 399.9, 1.0, "own", **GOOD),
     "change at lambda 1, own gradient"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "place", "planted", "where"), PLANTED, ids=lambda v: str(v)[:20])
def test_planted_rows_are_found(check: str, place: int, planted: Row, where: str) -> None:
    rows = healthy()
    rows[place] = planted
    assert (check, where) in [(finding.check, finding.where) for finding in findings(rows)]


def test_an_attack_without_gradients_has_no_zero_gradients() -> None:
    rows = healthy()
    rows[4] = replace(rows[4], idle=0.5, backward_passes=0.0)
    assert findings(rows) == []


def test_rounding_is_checked_on_uint8_only_and_only_where_it_struck() -> None:
    rows = healthy()
    rows[4] = replace(rows[4], linf_mean=0.5)
    assert findings(rows) == []
    rounded = replace(SETTINGS, protocol=Protocol(observation="uint8"))
    assert [found.check for found in findings(rows, rounded)] == ["budget_lost"]
    rows[4] = replace(rows[4], struck=0.5)
    assert findings(rows, rounded) == []


def test_an_unbounded_attack_must_reach_the_floor() -> None:
    settings = replace(SETTINGS, lams=(255.0,))
    rows = [*healthy()[:3], row("original", 300, 255.0, "own", **GOOD)]
    assert "floor_not_reached" in [found.check for found in findings(rows, settings)]
    rows[-1] = row("original", 9, 255.0, "own", **GOOD)
    assert "floor_not_reached" not in [found.check for found in findings(rows, settings)]


def test_incomplete_rows_are_not_judged() -> None:
    rows = healthy()
    rows[4] = replace(rows[4], idle=0.5, complete=False)
    assert [found.check for found in findings(rows)] == []
