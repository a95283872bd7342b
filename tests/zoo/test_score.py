"""Stated scores: written, read back, and held against other games."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sap_rl import UsageError
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.summary import ArmFacts, ArmStats, make_row
from sap_rl.play.arms import Arm
from sap_rl.play.frames import FRAMES_SEED
from sap_rl.play.rollout import Episode
from sap_rl.training.dqn.settings import TrainSettings
from sap_rl.zoo.score import (
    CHECK_SEED,
    CHOICE_SEED,
    RIVAL_SEED,
    SCORE_SEED,
    check_score,
    score_facts,
    score_settings,
    stated_score,
)

RETURNS = [10.0, 20.0, 30.0, 40.0]


def row(returns: list[float]) -> Row:
    settings = score_settings("BankHeist", episodes=len(returns), seed=7, max_frames=18_000)
    arm_stats = ArmStats(seconds=1.0, steps=10)
    for index, value in enumerate(returns):
        arm_stats.add(Episode(index, value, 7, index == 0))
    return make_row(settings, Arm("original", 0.0, None), ArmFacts(), arm_stats)


def card(returns: list[float]) -> dict[str, Any]:
    settings = score_settings("BankHeist", episodes=len(returns), seed=7, max_frames=18_000)
    return {"score": {"cap_5_minutes": score_facts("BankHeist", row(returns), settings)}}


def test_what_a_card_states() -> None:
    table = card(RETURNS)["score"]["cap_5_minutes"]
    assert (table["mean"], table["sd"], table["episodes"]) == (25.0, 12.91, 4)
    assert (table["truncated"], table["seed"], table["max_frames"]) == (1, 7, 18_000)
    assert table["command"] == (
        "sap-rl eval --game BankHeist --lambda 0 --defense none --no-controls --episodes 4 "
        "--max-frames 18000 --seed 7 --num-envs 4"
    )
    settings = score_settings("BankHeist", episodes=4, seed=7, max_frames=18_000)
    assert "--agent mine" in score_facts("mine", row(RETURNS), settings)["command"]


def test_a_score_without_interval_can_be_written() -> None:
    """TOML has no null: what is not known is left out."""
    table = card([5.0, 5.0])["score"]["cap_5_minutes"]
    assert "ci_low" not in table
    assert stated_score(card([5.0, 5.0]), 18_000).sd == 0.0


def test_the_same_play_passes_and_other_play_does_not() -> None:
    stated = stated_score(card(RETURNS * 5), 18_000)
    assert check_score(stated, row(RETURNS * 3)).passed
    assert not check_score(stated, row([value + 30 for value in RETURNS] * 3)).passed
    # Better than stated is as wrong as worse.
    assert not check_score(stated, row([value - 30 for value in RETURNS] * 3)).passed
    found = check_score(stated, row([value + 5 for value in RETURNS] * 3))
    assert found.difference.mean == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({}, "no score is stated for max-frames 18000; stated: none"),
        ({"score": {"x": {"max_frames": 400}}}, "stated: 400"),
        ({"score": {"x": {"max_frames": 18000, "mean": 3.0}}}, "no usable mean, sd and episodes"),
        ({"score": {"max_frames": 18000, "mean": 3.0}}, "stated: none"),
        ({"score": 12}, "stated: none"),
        (
            {"score": {"x": {"max_frames": 18000, "mean": 3.0, "sd": 1.0, "episodes": 1}}},
            "cannot be compared",
        ),
        (
            {"score": {"x": {"max_frames": 18000, "mean": 3.0, "sd": float("nan"), "episodes": 9}}},
            "cannot be compared",
        ),
    ],
)
def test_cards_without_a_score_are_refused(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        stated_score(facts, 18_000)


def test_every_purpose_has_games_of_its_own() -> None:
    """Episode seeds derive from (seed, index): blocks differ as long as the seeds do.

    Steps are added to the last one, and an evaluation's own seed to that of the frames.
    """
    seeds = [SCORE_SEED, CHOICE_SEED, CHECK_SEED, TrainSettings().eval_seed, 0]
    seeds += [seed + FRAMES_SEED for seed in seeds]
    assert len(set(seeds)) == len(seeds)
    assert max(seeds) < RIVAL_SEED
    settings = score_settings("Pong", episodes=3, seed=SCORE_SEED, max_frames=108_000)
    assert settings.lams == (0.0,)
    assert not settings.controls
    assert settings.defense is None
    assert replace(settings.protocol, max_frames=18_000).epsilon == 0.01
