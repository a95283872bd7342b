"""From what happened to what may be claimed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sap_rl.atari.protocol import Protocol
from sap_rl.evaluation.results import Change, Row
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import ArmFacts, ArmStats, make_changes, make_row
from sap_rl.play.arms import Arm
from sap_rl.play.rollout import Decision, Episode, Step

SETTINGS = Settings("BankHeist", (1.0,), defense="sap-100", episodes=30)
RNG = np.random.default_rng(0)
SPREAD = RNG.normal(0, 1, 30)


def row(arm: str, returns: np.ndarray, *, lam: float = 1.0, victim: str | None = "own") -> Row:
    arm_stats = ArmStats(
        [Episode(i, float(r), 10, False) for i, r in enumerate(returns)], seconds=1.0
    )
    made = make_row(SETTINGS, Arm(arm, lam, victim), ArmFacts(), arm_stats)  # type: ignore[arg-type]
    assert made.complete
    return made


def table(
    *, original: float, own: float, transfer: float, matched: float = 50.0, random: float = 10.0
) -> list[Row]:
    """Rows whose returns lie around the given means."""
    return [
        row("random", random + SPREAD, lam=0.0, victim=None),
        row("original", 800 + 50 * SPREAD, lam=0.0, victim=None),
        row("original", original + 5 * SPREAD),
        row("defended", own + 5 * SPREAD[::-1], victim="own"),
        row("defended", transfer + 5 * SPREAD[::-1], victim="original"),
        row("noise-control", matched + 5 * np.roll(SPREAD, 3), victim="own"),
        row("noise-control", matched + 5 * np.roll(SPREAD, 3), victim="original"),
    ]


def by_victim(rows: list[Row], settings: Settings = SETTINGS) -> dict[str | None, Change]:
    return {change.victim: change for change in make_changes(settings, rows) if change.lam}


def test_the_headline_is_the_stronger_attack() -> None:
    changes = by_victim(table(original=200, own=500, transfer=300))
    assert (changes["original"].headline, changes["own"].headline) == (True, False)
    changes = by_victim(table(original=200, own=250, transfer=300))
    assert (changes["original"].headline, changes["own"].headline) == (False, True)


def test_percent_by_hand() -> None:
    rows = table(original=200, own=500, transfer=300)
    original, defended = np.mean(rows[2].returns), np.mean(rows[3].returns)
    change = by_victim(rows)["own"]
    assert change.percent == pytest.approx(100 * (defended - original) / original)
    assert change.ci_low is not None
    assert change.ci_high is not None
    assert change.ci_low < change.percent < change.ci_high
    assert change.flags == ()
    assert change.verdict == "helps"


def test_no_better_than_noise() -> None:
    changes = by_victim(table(original=200, own=500, transfer=500, matched=501))
    assert changes["own"].flags == ("no_better_than_noise",)
    assert changes["own"].verdict == "unclear"
    assert by_victim(table(original=200, own=500, transfer=500, matched=900))["own"].flags == (
        "no_better_than_noise",
    ), "below the noise is no better either"


def test_at_floor_needs_both_players_there() -> None:
    assert "at_floor" in by_victim(table(original=10, own=10, transfer=300))["own"].flags
    assert "at_floor" not in by_victim(table(original=10, own=300, transfer=300))["own"].flags
    assert "at_floor" not in by_victim(table(original=200, own=10, transfer=300))["own"].flags


def test_a_small_denominator_gives_no_percentage() -> None:
    """5% of 800 - 10 is 39.5."""
    change = by_victim(table(original=30, own=100, transfer=100))["own"]
    assert (change.percent, change.ci_low, change.ci_high) == (None, None, None)
    assert change.flags[0] == "unstable_denominator"
    assert change.difference == pytest.approx(70.0, abs=1.0)
    worse = by_victim(table(original=30, own=12, transfer=12, random=-50))["own"]
    assert (worse.percent, worse.verdict) == (None, "harms"), "no percentage hides a loss"
    assert by_victim(table(original=60, own=100, transfer=100))["own"].percent is not None


def test_harm_is_called_harm() -> None:
    assert by_victim(table(original=500, own=300, transfer=300))["own"].verdict == "harms"


def test_no_controls_is_flagged_and_never_helps() -> None:
    rows = [r for r in table(original=200, own=500, transfer=500) if r.arm != "noise-control"]
    change = by_victim(rows)["own"]
    assert change.flags == ("no_controls",)
    assert change.verdict == "unclear"


def test_without_its_own_gradient_the_defended_player_cannot_be_helped() -> None:
    rows = [
        r
        for r in table(original=200, own=500, transfer=500)
        if r.victim != "own" or r.arm == "original"
    ]
    change = by_victim(rows, replace(SETTINGS, victims=("original",)))["original"]
    assert change.flags == ("weak_attack_only",)
    assert change.verdict == "unclear"


def test_incomplete_arms_enter_no_change() -> None:
    rows = table(original=200, own=500, transfer=300)
    rows[4] = replace(rows[4], complete=False)
    changes = by_victim(rows)
    assert set(changes) == {"own"}
    assert not changes["own"].headline, "the other victim's attack may be the stronger one"
    rows[2] = replace(rows[2], complete=False)
    assert by_victim(rows) == {}


def test_pairing_is_by_episode_index() -> None:
    arm_stats = ArmStats([Episode(i, float(10 * i), 5, False) for i in (3, 0, 2, 1)])
    settings = replace(SETTINGS, episodes=4)
    made = make_row(settings, Arm("original"), ArmFacts(), arm_stats)
    assert made.returns == (0.0, 10.0, 20.0, 30.0)


def test_papers_number_stands_only_beside_its_own_setting() -> None:
    rows = table(original=200, own=500, transfer=300)
    changes = by_victim(rows)
    assert (changes["own"].paper_percent, changes["original"].paper_percent) == (131.7, None)
    same = replace(SETTINGS, defense="sap")
    assert by_victim(rows, same)["own"].paper_percent == 131.7
    for other in (
        replace(SETTINGS, attack_options={"objective": "margin"}),
        replace(SETTINGS, defense_options={"backward": "full"}),
        replace(SETTINGS, protocol=Protocol(frames="newest")),
    ):
        assert by_victim(rows, other)["own"].paper_percent is None
    other = replace(SETTINGS, defense="sap-50")
    assert by_victim(rows, other)["own"].paper_percent is None
    other = replace(SETTINGS, attack="pgd")
    assert by_victim(rows, other)["own"].paper_percent is None


def test_row_of_equal_returns_has_no_interval_and_says_why() -> None:
    made = row("original", np.full(30, 7.0))
    assert (made.mean, made.ci_low, made.ci_high, made.flags) == (7.0, None, None, ("no_variance",))


def test_incomplete_row_keeps_what_was_played_without_an_interval() -> None:
    arm_stats = ArmStats([Episode(0, 5.0, 9, False), Episode(1, 9.0, 9, True)])
    made = make_row(SETTINGS, Arm("original"), ArmFacts(), arm_stats)
    assert (made.complete, made.episodes, made.mean, made.ci_low) == (False, 2, 7.0, None)
    assert made.truncated == 1
    empty = make_row(SETTINGS, Arm("original"), ArmFacts(), ArmStats())
    assert (empty.complete, empty.mean, empty.flip_rate) == (False, None, None)


def test_normalised_by_hand() -> None:
    """BankHeist: random 14.2, human 753.1."""
    assert row("original", np.full(30, 753.1)).normalised == pytest.approx(1.0)
    assert row("original", np.full(30, 14.2)).normalised == pytest.approx(0.0)


def test_tally_counts_shares_of_steps() -> None:
    arm_stats = ArmStats(seconds=2.0)
    pixels = np.zeros((2, 4, 84, 84), np.uint8)
    actions = np.zeros(2, dtype=np.int64)
    yes, no = np.array([True, True]), np.array([True, False])
    arm_stats.add(
        Step(pixels, Decision(actions, yes, no, np.array([1.0, 4.0]), np.array([0.5, 1.5])))
    )
    arm_stats.add(
        Step(pixels, Decision(actions, no, no, np.array([2.0, 3.0]), np.array([1.0, 1.0])))
    )
    made = make_row(
        replace(SETTINGS, episodes=1), Arm("original", 4.0, "own"), ArmFacts(), arm_stats
    )
    assert (made.flip_rate, made.self_flip_rate) == (0.75, 0.5)
    assert (made.linf_max, made.linf_mean, made.change_mean) == (4.0, 2.5, 1.0)
    assert made.steps_per_second == 2.0


def test_steps_without_a_measurement_are_no_part_of_the_share() -> None:
    arm_stats = ArmStats(seconds=1.0)
    pixels, actions = np.zeros((2, 4, 84, 84), np.uint8), np.zeros(2, dtype=np.int64)
    both = np.array([True, True])
    for flipped in (both, None, None, None, ~both):
        arm_stats.add(Step(pixels, Decision(actions, flipped, flipped)))
    made = make_row(SETTINGS, Arm("defended", 4.0, "own"), ArmFacts(), arm_stats)
    assert (made.flip_rate, made.self_flip_rate) == (0.5, 0.5)


def test_what_was_not_measured_is_none() -> None:
    arm_stats = ArmStats(seconds=1.0)
    arm_stats.add(Step(np.zeros((1, 4, 84, 84), np.uint8), Decision(np.zeros(1, dtype=np.int64))))
    made = make_row(SETTINGS, Arm("random"), ArmFacts(), arm_stats)
    assert (made.flip_rate, made.self_flip_rate, made.linf_max, made.linf_mean) == (None,) * 4
