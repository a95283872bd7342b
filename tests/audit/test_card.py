"""Worst cases, areas and verdicts, by hand."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from sap_rl.atari.preprocess import Preprocess
from sap_rl.audit.card import AuditCard, AuditFacts
from sap_rl.audit.checks import ORIGINAL
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import Kind
from sap_rl.audit.worst import GameResult, curve_area, cvar
from sap_rl.defenses.names import BACKWARDS
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import ArmFacts, ArmStats, make_row
from sap_rl.play.arms import Arm
from sap_rl.play.rollout import Episode
from sap_rl.reporting.tables.audit import audit_report

SETTINGS = Settings("BankHeist", (0.25, 1.0), defense="sap-100", episodes=30)
SPREAD = np.random.default_rng(0).normal(0, 5, 30)
KINDS = {"defended": Kind(True, BACKWARDS, False), "original": ORIGINAL, "noise-control": ORIGINAL}
FACTS = AuditFacts(
    AuditSettings("BankHeist", (0.25, 1.0), episodes=30, frames=8),
    AgentFacts("BankHeist", None, Preprocess(), "cpu", 1), Made({}), sigma=0.03,
)  # fmt: skip
OWN, TRANSFER = "fgsm cross-entropy mask x10", "fgsm cross-entropy original"


def cell(player: str, title: str, lam: float, mean: float) -> GameResult:
    order = {"original": SPREAD, "defended": SPREAD[::-1]}.get(player, np.roll(SPREAD, 3))
    order = np.roll(order, len(title))  # every attack has good and bad episodes of its own
    arm_stats = ArmStats([Episode(i, float(mean + s), 10, False) for i, s in enumerate(order)])
    row = make_row(SETTINGS, Arm(player, lam, "own" if lam else None), ArmFacts(), arm_stats)  # type: ignore[arg-type]
    return GameResult(player, title, lam, row)


def card(*, own: float = 500, strong: float = 300, original: float = 400, noise: float = 250,
         floor: float = 15, complete: bool = True) -> AuditCard:  # fmt: skip
    games = [
        cell("random", "none", 0.0, floor),
        cell("defended", "none", 0.0, 600),
        cell("original", "none", 0.0, 900),
        cell("defended", OWN, 0.25, own),
        cell("defended", "pgd margin identity x2", 0.25, strong),
        cell("original", TRANSFER, 0.25, original),
        cell("original", "apgd margin original", 0.25, original + 50),
        cell("noise-control", TRANSFER, 0.25, noise),
    ]
    return AuditCard(FACTS, complete, (), tuple(games), KINDS)


def test_the_worst_case_is_the_lowest_mean_beside_the_papers() -> None:
    worst = {w.player: w for w in card().worst}
    assert worst["defended"].title == "pgd margin identity x2"
    assert worst["defended"].mean == pytest.approx(300 + SPREAD.mean())
    assert worst["defended"].paper == pytest.approx(500 + SPREAD.mean())
    assert worst["original"].title == TRANSFER
    assert worst["original"].paper == worst["original"].mean
    lowest = 300 + np.sort(SPREAD)[:6].mean()
    assert worst["defended"].cvar == pytest.approx(lowest)


def test_cvar_is_the_mean_of_the_worst_fifth() -> None:
    assert cvar([5, 1, 9, 2, 3, 4, 8, 7, 6, 10]) == 1.5
    assert cvar([7.0, 3.0]) == 3.0
    assert cvar([4.0], share=0.01) == 4.0


def test_area_is_over_the_logarithm_of_lambda() -> None:
    assert curve_area([(1.0, 100.0)]) is None
    assert curve_area([(4.0, 0.0), (1.0, 100.0)]) == pytest.approx(50)
    # 1 to 2 is one octave of mean 80, 2 to 8 two octaves of mean 30.
    assert curve_area([(1, 100), (2, 60), (8, 0)]) == pytest.approx((80 + 2 * 30) / 3)
    assert math.isfinite(curve_area([(0.05, 1.0), (8.0, 1.0)]) or math.nan)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "sap-100 HARMS (-100.0 points ["),
        ({"strong": 600, "own": 600}, "sap-100 HELPS against this suite"),
        ({"strong": 400, "own": 500}, "sap-100 does not help"),
        ({"strong": 600, "own": 600, "noise": 700}, "but not more than noise that flips as many"),
        ({"strong": 600, "own": 600, "noise": 600}, "but not more than noise that flips as many"),
    ],
)
def test_verdicts(change: dict[str, float], verdict: str) -> None:
    found = " ".join(card(**change).verdicts)  # type: ignore[arg-type]
    assert verdict in found


@pytest.mark.parametrize(
    ("change", "helps"),
    [
        ({"floor": 14}, False),  # both below the random policy
        ({"floor": 9}, True),  # only the original is
        ({"floor": 12}, False),  # the defended is above by less than the intervals
        ({"floor": 14, "original": 30, "own": 40, "strong": 40}, True),  # both above it
    ],
)
def test_nothing_helps_where_both_play_as_badly_as_the_random_policy(
    change: dict[str, float], helps: bool
) -> None:
    low = {"original": 5, "own": 14, "strong": 14, "noise": 6} | change
    [found] = [text for text in card(**low).verdicts if "unclear" in text or "HELPS" in text]  # type: ignore[arg-type]
    assert ("HELPS against this suite" in found) is helps
    assert ("unclear, both at the floor" in found) is not helps


def test_a_harm_at_the_floor_is_a_harm() -> None:
    found = " ".join(card(original=14, own=5, strong=5, noise=6, floor=30).verdicts)
    assert "sap-100 HARMS" in found


def test_the_verdict_says_how_much_stronger_than_the_papers_attack() -> None:
    found = " ".join(card().verdicts)
    [(low, high)] = re.findall(r"200\.0 points more \[\+([\d.]+), \+([\d.]+)\]", found)
    assert float(low) < 200 < float(high)
    weaker = " ".join(card(strong=550).verdicts)
    assert "no attack played is stronger on sap-100 than the paper's FGSM" in weaker


def test_the_answer_says_what_each_player_keeps() -> None:
    mean = SPREAD.mean()
    assert (
        card()
        .answers[0]
        .startswith(
            f"At lambda 0.25 the strongest attack leaves the original {400 + mean:.1f} instead of "
            f"{900 + mean:.1f} points and sap-100 {300 + mean:.1f} (random play {15 + mean:.1f}): "
            "sap-100 HARMS (-100.0 points ["
        )
    )
    price = f"Without an attack sap-100 keeps {600 + mean:.1f} of {900 + mean:.1f}."
    assert card().answers[1] == price
    alone = AuditCard(
        replace(FACTS, settings=replace(FACTS.settings, defense=None)), True, (),
        tuple(cell for cell in card().games if cell.player in ("original", "random")), KINDS,
    )  # fmt: skip
    assert alone.answers == (
        f"At lambda 0.25 the strongest attack leaves BankHeist {400 + mean:.1f} instead of "
        f"{900 + mean:.1f} points (random play {15 + mean:.1f}).",
    )


def test_the_report_begins_with_the_answers() -> None:
    screen = Console(file=io.StringIO(), width=400)
    screen.print(audit_report(card()))
    lines = screen.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert tuple(line.rstrip() for line in lines[:2]) == card().answers
    assert lines[3].startswith("BankHeist: audit of sap-100 on agent BankHeist, effort standard")
    assert sum("HARMS" in line for line in lines) == 1


def test_an_incomplete_card_never_claims_completeness() -> None:
    assert card(complete=False).answers[0].startswith("INCOMPLETE")


def test_findings_of_games_are_on_the_card() -> None:
    """The transfer attack is far stronger than the own gradient: the own one is masked."""
    games = [
        cell("defended", OWN, 0.25, 500),
        cell("defended", TRANSFER, 0.25, 300),
        cell("defended", "noise", 0.25, 480),
        cell("defended", OWN, 1.0, 600),
    ]
    found = AuditCard(FACTS, True, (), tuple(games), KINDS).checks
    assert {(f.check, f.where) for f in found} == {
        ("noise_as_strong", "defended in games at lambda 0.25"),
        ("transfer_stronger", "defended in games at lambda 0.25"),
        ("return_rises", f"defended, {OWN}"),
    }
