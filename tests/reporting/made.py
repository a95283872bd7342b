"""Evaluations whose every number is known, made without playing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sap_rl.atari.protocol import Preprocess
from sap_rl.evaluation.assembly import assemble
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.evaluation.results import Evaluation
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import make_row
from sap_rl.play.arm_stats import ArmFacts, ArmStats
from sap_rl.play.arms import Arm, plan
from sap_rl.play.rollout import Decision, Episode, Step

VERSIONS = {"python": "3.11.7", "sap-rl": "0.1.0"}
BASE = {"random": 10.0, "original": 500.0, "defended": 400.0, "noise-control": 380.0}
"""Mean clean returns; at lambda l they are divided by 1 + l, a fifth less under `original`."""
SPREAD = {"random": 1.0, "original": 2.0, "defended": 3.0, "noise-control": 2.5}
"""Between one episode's return and the next one's."""


def returns(arm: Arm, episodes: int) -> list[float]:
    """What the episodes of an arm bring: their mean is known, no two are equal."""
    mean = BASE[arm.name] / (1 + arm.lam) * (0.8 if arm.victim == "original" else 1.0)
    return [mean + SPREAD[arm.name] * (i - (episodes - 1) / 2) for i in range(episodes)]


def evaluation(
    lams: tuple[float, ...] = (0.25, 1.0, 4.0),
    *,
    agent: str = "BankHeist",
    sha256: str | None = "00ff",
    brought: Mapping[Arm, list[float]] | None = None,
    **settings: Any,
) -> Evaluation:
    """Returns of every arm as `returns` says or as given in `brought`."""
    plain: dict[str, Any] = {"game": "BankHeist", "defense": "sap-100", "episodes": 4}
    s = Settings(lams=lams, **plain | settings)
    arms = plan(s.lams, defended=s.defense is not None, victims=s.victims, controls=s.controls)
    rows = [make_row(s, arm, _facts(s, arm), _tally(s, arm, brought or {})) for arm in arms]
    about = AgentFacts(agent, sha256, Preprocess(), "cpu", 1)
    return assemble(s, about, Made(VERSIONS), rows, arms=len(arms))


def incomplete(whole: Evaluation) -> Evaluation:
    """As after Ctrl-C in the last arm."""
    return replace(whole, rows=whole.rows[:-1])


def _facts(s: Settings, arm: Arm) -> ArmFacts:
    defense = {"defended": s.defense, "noise-control": "q-noise-0.04"}.get(arm.name)
    return ArmFacts(attack=s.attack if arm.victim else None, defense=defense)


def _tally(s: Settings, arm: Arm, brought: Mapping[Arm, list[float]]) -> ArmStats:
    arm_stats = ArmStats(seconds=1.0)
    for i, ret in enumerate(brought.get(arm, returns(arm, s.episodes))):
        arm_stats.add(Episode(i, ret, 100, truncated=False))
    four = np.arange(4)
    attacked = {
        "flipped": four < 3,
        "linf": np.full(4, arm.lam, np.float32),
        "mean": np.full(4, arm.lam / 2, np.float32),
    }
    self_flipped = four < (arm.name != "original")
    if arm.name != "random":
        decision = Decision(four, self_flipped=self_flipped, **(attacked if arm.victim else {}))
        arm_stats.add(Step(np.zeros((4, 4, 84, 84), np.uint8), decision))
    return arm_stats
