"""Evaluations whose returns are given, not played."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sap_rl.atari.preprocess import Preprocess
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.evaluation.results import Evaluation, evaluation_from_json
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import ArmFacts, ArmStats, make_changes, make_row
from sap_rl.play.arms import Arm
from sap_rl.play.rollout import Episode

Given = Mapping[tuple[str, float, str | None], Sequence[float]]
"""(arm, lambda, victim) -> returns by episode."""


def made_up(
    returns: Given,
    *,
    agent: str = "BankHeist",
    said: Mapping[str, Any] | None = None,
    **options: Any,
) -> Evaluation:
    """An evaluation of these arms; options: of `Settings`; said: further versions."""
    lams = tuple(sorted({lam for _, lam, _ in returns} - {0.0})) or (0.0,)
    episodes = len(next(iter(returns.values())))
    options = {"game": "BankHeist", "defense": "sap-100", "lams": lams, **options}
    settings = Settings(**{"episodes": episodes, **options})
    rows = []
    for (arm, lam, victim), values in returns.items():
        played = [Episode(i, float(r), 10, False) for i, r in enumerate(values)]
        facts = ArmFacts(
            attack=settings.attack if victim else None,
            defense=settings.defense if arm == "defended" else None,
            grad_samples=(10 if arm == "defended" and victim == "own" else 1) if victim else None,
        )
        rows.append(make_row(settings, Arm(arm, lam, victim), facts, ArmStats(played, seconds=1.0)))  # type: ignore[arg-type]
    about = AgentFacts(agent, "0" * 64, Preprocess(), "cpu", 1)
    made = Made({"torch": "2.8.0"} | dict(said or {}))
    changes, played = make_changes(settings, rows), replace(settings, num_envs=8)
    return Evaluation(played, about, made, len(rows), tuple(rows), changes)


def rewritten(
    evaluation: Evaluation, *, protocol: Mapping[str, Any] | None = None, **config: Any
) -> Evaluation:
    """As if its file stated something else; config, protocol: entries of these."""
    plain = json.loads(evaluation.to_json())
    plain["config"] |= config
    plain["protocol"] |= protocol or {}
    return evaluation_from_json(json.dumps(plain))
