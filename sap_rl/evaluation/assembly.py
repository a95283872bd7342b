"""An evaluation from its rows, the same whether these were played just now or kept in a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sap_rl.evaluation.checks import evaluation_findings
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import make_changes, with_interval


def assemble(
    settings: Settings, agent: AgentFacts, made: Made, rows: Sequence[Row], *, arms: int
) -> Evaluation:
    """The evaluation with what follows from its rows: changes and checks; arms: as planned."""
    changes = make_changes(settings, rows)
    checks = evaluation_findings(settings, rows, changes)
    played = replace(settings, num_envs=settings.parallel)
    return Evaluation(played, agent, made, arms, tuple(rows), changes, checks)


def summarised_anew(found: Evaluation) -> Evaluation:
    """A stored evaluation with the intervals, changes and flags that its returns have today.

    What was counted stays, and so do the checks.
    """
    rows = tuple(with_interval(found.settings, row) for row in found.rows)
    return replace(found, rows=rows, changes=make_changes(found.settings, rows))
