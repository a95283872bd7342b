"""How long a sweep will take: what is looked at, and what is counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sap_rl import Protocol
from sap_rl.evaluation.settings import Settings
from sap_rl.play import frames
from sap_rl.statistics.sequential import StoppingRule
from sap_rl.sweep import estimate as calibration
from sap_rl.sweep.estimate import CellEstimate, estimates
from sap_rl.sweep.experiments import Experiment, plan_experiment

SETTINGS = Settings(
    "BankHeist", (4.0,), defense=None, controls=False, episodes=2, num_envs=2,
    protocol=Protocol(max_frames=120, grad_samples=1),
)  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(calibration, "LENGTH_SECONDS", 0.1)


def found(settings: Settings, done: int = 0, **more: Any) -> list[CellEstimate]:
    """done: how many cells are complete, the first ones."""
    plan = plan_experiment(Experiment("BankHeist", settings, **more))
    keys = {task.key for task in plan.tasks[:done]}
    return list(estimates([plan], keys))


def test_an_attack_that_is_fitted_is_looked_at_with_its_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frames, "FITTING", 4)
    universal = replace(SETTINGS, attack="universal", attack_options={"steps": 2})
    clean, attacked = found(universal)
    assert attacked.task.arm.victim == "own"
    assert clean.seconds is not None
    assert attacked.seconds is not None


def test_frames_are_not_recorded_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "fitting_frames", lambda *_: pytest.fail("recorded"))
    assert len(found(SETTINGS)) == 2
    assert len(found(replace(SETTINGS, attack="universal", lams=(0.0,)))) == 1


def test_a_stopping_rule_has_its_most_beside_the_first_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Steps per second and per episode are given: 30 steps at 15/s are 2 s an episode."""
    monkeypatch.setattr(calibration, "_rate", lambda *_: 15.0)
    monkeypatch.setattr(calibration, "_episode_length", lambda *_: 30.0)
    rule = StoppingRule(10.0, least=2, most=9)
    kept, fresh = found(SETTINGS, 1, until=rule)
    assert (kept.seconds, kept.most, kept.episodes) == (None, 14.0, 9)
    assert (fresh.seconds, fresh.most, fresh.episodes) == (4.0, 18.0, 9)
    plain = found(SETTINGS, 1)
    assert [(e.seconds, e.most, e.episodes) for e in plain] == [
        (None, None, None),
        (4.0, None, None),
    ]


def test_an_agents_clean_play_is_watched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """30 steps an episode at 15/s: 2 s, in the second experiment too, whose clean cell is seen."""
    monkeypatch.setattr(calibration, "_rate", lambda *_: 15.0)
    watched: list[str] = []
    monkeypatch.setattr(
        calibration, "_episode_length", lambda run, _: watched.append(run.settings.game) or 30.0
    )
    plans = [
        plan_experiment(Experiment("BankHeist", replace(SETTINGS, lams=(lam,))))
        for lam in (4.0, 8.0)
    ]
    assert [cell.seconds for cell in estimates(plans, set())] == [4.0, 4.0, 4.0]
    assert watched == ["BankHeist"]
