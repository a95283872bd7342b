"""What the cards of a report's agents state as certified, at the lambdas that were played."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sap_rl.agents import Agent, read_checkpoint
from sap_rl.errors import UsageError, printable
from sap_rl.evaluation.results import Evaluation
from sap_rl.play.defended_name import ANOTHER, parse_defended_player
from sap_rl.reporting.tables.checkpoints import certified_rows


def certified_lines(evaluation: Evaluation, original: Agent | None) -> Iterator[str]:
    """A sentence per agent without a defence and lambda; original: the evaluation's, if it is the
    same still. Of another agent in its place the hash of the weights is compared, too."""
    if original is not None:
        yield from _stated(original.name, original.facts, evaluation.settings.lams)
    defense = evaluation.settings.defense or ""
    if not defense.startswith(ANOTHER):
        return
    name, behind = parse_defended_player(defense)
    if name is None or behind is not None:
        return
    try:
        found = read_checkpoint(name, game=evaluation.settings.game)
    except UsageError:
        return
    if found.sha256 == evaluation.agent.defended_sha256:
        yield from _stated(found.name, found.facts, evaluation.settings.lams)


def _stated(name: str, facts: Mapping[str, Any], lams: tuple[float, ...]) -> Iterator[str]:
    for lam in lams:
        parts = [text for at, text in certified_rows(facts) if at == lam]
        if parts:
            yield (
                f"Certified at lambda {lam:g}, as the card of agent {printable(name, 100)} states: "
                f"{printable(', '.join(parts), 300)}. No change of the pixels within lambda can "
                "alter them."
            )
