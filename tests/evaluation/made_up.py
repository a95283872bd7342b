"""Evaluations whose returns are given, not played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sap_rl.evaluation.results import Evaluation
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
    """An evaluation of these arms; options: of `Settings`; said: of the config and versions."""
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
            grad_samples=(10 if arm == "defended" and victim == "self" else 1) if victim else None,
        )
        rows.append(make_row(settings, Arm(arm, lam, victim), facts, ArmStats(played, seconds=1.0)))  # type: ignore[arg-type]
    config = asdict(settings) | {
        "num_envs": 8, "agent": agent, "agent_sha256": "0" * 64, "device": "cpu", "threads": 1,
        "arms": len(rows),
    }  # fmt: skip
    protocol = config.pop("protocol") | {"preprocess": {"frames": 4}}
    versions = {"torch": "2.8.0"} | dict(said or {})
    return Evaluation(config, versions, protocol, tuple(rows), make_changes(settings, rows))
