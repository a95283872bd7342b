"""Our percentage changes beside those of Dhillon et al. 2018, Table 1: sign and interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sap_rl.atari.games import game_facts
from sap_rl.compare.played import agent_name, differences, lookalikes, seen_rules
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Change, Evaluation
from sap_rl.plain import json_object, to_plain

Sign = Literal["same", "other", "unclear"]

ATTACKS_RULES = ("frames", "observation", "norm", "grad_samples")
"""Entries of a protocol that mean nothing for clean play."""


@dataclass(frozen=True)
class PaperCell:
    """One game and lambda.

    percent, low, high: ours with its BCa interval, None where the change is flagged; difference:
    defended - original in points of return; paper: the printed percentage; sign: of our change
    against the paper's, `unclear` where our interval of the difference contains 0; inside: whether
    the paper's number lies in our interval, None where there is none.
    """

    game: str
    lam: float
    agent: str
    seed: int
    episodes: int
    percent: float | None
    low: float | None
    high: float | None
    difference: float
    difference_low: float | None
    difference_high: float | None
    paper: float
    sign: Sign
    inside: bool | None
    flags: tuple[str, ...]


@dataclass(frozen=True)
class PaperComparison:
    """Cells under the paper's protocol; missing: printed for these games but not among ours;
    passed_over: changes of ours that follow another protocol; protocol: what ours was; looked: a
    stopping rule decided about episodes of ours."""

    cells: tuple[PaperCell, ...]
    missing: tuple[tuple[str, float], ...]
    passed_over: int
    protocol: tuple[str, ...]
    looked: bool = False

    @property
    def differs(self) -> bool:
        """Whether the paper's number lies outside our interval anywhere."""
        return any(cell.inside is False for cell in self.cells)

    def to_json(self) -> str:
        """One JSON object; never NaN or Infinity."""
        return json_object(to_plain(self) | {"differs": self.differs})


def against_paper(evaluations: Sequence[Evaluation]) -> PaperComparison:
    """Every change that follows the paper's protocol as far as it is published.

    That is SAP-100 against the original, FGSM on the player's own gradient, all frames, float (see
    `Change.paper_percent`). UsageError where no change does, and where those of one agent in one
    game follow different protocols.
    """
    cells = tuple(_cells(evaluations))
    if not cells:
        raise UsageError(
            "no change follows the paper's protocol: it needs one of its games, defence sap-100, "
            "attack fgsm, victim own, frames all, observation float, norm linf, and one of its "
            "lambdas"
        )
    there = {(cell.game, cell.lam) for cell in cells}
    games = sorted({evaluation.settings.game for evaluation in evaluations})
    printed = [(game, lam) for game in games for lam in sorted(game_facts(game).paper_percent)]
    return PaperComparison(
        cells,
        tuple(cell for cell in printed if cell not in there),
        sum(c.paper_percent is None for e in evaluations for c in e.changes),
        tuple(_protocol(evaluations)),
        any(evaluation.looked for evaluation in evaluations),
    )


def _cells(evaluations: Sequence[Evaluation]) -> Iterator[PaperCell]:
    """Cells by game and lambda; where several evaluations of one seed have a cell, the one with
    the most episodes counts, of equal ones the first.

    UsageError where an agent's cells in a game follow different protocols, with what differs.
    """
    found: dict[tuple[Any, ...], PaperCell] = {}
    rules: dict[tuple[str, str], dict[str, Any]] = {}
    alike = lookalikes(evaluations)
    for evaluation in evaluations:
        agent = agent_name(evaluation, alike)
        for change in evaluation.changes:
            if change.paper_percent is None:
                continue
            cell = replace(_cell(evaluation, change, change.paper_percent), agent=agent)
            rule, first = _rules(evaluation, cell.lam), rules.setdefault((cell.game, agent), {})
            told = {name: first.get(name, value) for name, value in rule.items()}
            if apart := differences(told, rule):
                raise UsageError(
                    f"{cell.game}, agent {agent}: two protocols, {'; '.join(apart)}; leave one out "
                    "(`sap-rl store list` and `drop`)"
                )
            first |= rule
            key = (cell.game, cell.lam, agent, cell.seed)
            if key not in found or found[key].episodes < cell.episodes:
                found[key] = cell
    yield from (found[key] for key in sorted(found))


def _rules(evaluation: Evaluation, lam: float) -> dict[str, Any]:
    """What the returns of a change's cells depend on, besides the agent and the seed; the attack's
    rules where it attacks, but for those that the paper's protocol sets."""
    settings = evaluation.settings
    rules = {k: v for k, v in to_plain(settings.protocol).items() if k not in ATTACKS_RULES}
    rules["precision"] = settings.precision
    attacked = evaluation.row("defended", lam, "own") if lam else None
    if attacked is not None:
        rules["grad_samples"] = attacked.grad_samples
    return rules | seen_rules(evaluation)


def _cell(evaluation: Evaluation, change: Change, paper: float) -> PaperCell:
    settings = evaluation.settings
    inside = None
    if change.ci_low is not None and change.ci_high is not None:
        inside = change.ci_low <= paper <= change.ci_high
    return PaperCell(
        change.game,
        change.lam,
        evaluation.agent.name,
        settings.seed,
        settings.episodes,
        change.percent,
        change.ci_low,
        change.ci_high,
        change.difference,
        change.difference_low,
        change.difference_high,
        paper,
        _sign(change, paper),
        inside,
        change.flags,
    )


def _sign(change: Change, paper: float) -> Sign:
    low, high = change.difference_low, change.difference_high
    if low is None or high is None or low <= 0.0 <= high:
        return "unclear"
    return "same" if (low > 0.0) == (paper > 0.0) else "other"


def _protocol(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """What our protocol was where the paper is silent or differs, with all values found."""
    settings = [evaluation.settings for evaluation in evaluations]
    rules: dict[str, set[float]] = {
        "episodes per arm": {s.episodes for s in settings},
        "cap in emulator frames": {s.protocol.max_frames for s in settings},
        "epsilon": {s.protocol.epsilon for s in settings},
        "sticky actions": {s.protocol.sticky_actions for s in settings},
    }
    for name, values in rules.items():
        yield f"{name} {', '.join(f'{value:g}' for value in sorted(values))}"
    yield f"agents {', '.join(sorted({e.agent.name for e in evaluations}))}"
