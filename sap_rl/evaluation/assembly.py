"""An evaluation from its rows, the same whether these were played just now or kept in a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sap_rl.evaluation.checks import evaluation_findings
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import make_changes


def assemble(
    settings: Settings, agent: AgentFacts, made: Made, rows: Sequence[Row], *, arms: int
) -> Evaluation:
    """The evaluation with what follows from its rows: changes and checks; arms: as planned."""
    changes = make_changes(settings, rows)
    checks = evaluation_findings(settings, rows, changes)
    played = replace(settings, num_envs=settings.parallel)
    return Evaluation(played, agent, made, arms, tuple(rows), changes, checks)
