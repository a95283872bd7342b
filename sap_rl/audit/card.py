"""The report card of an audit, and its verdicts in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sap_rl.audit.checks import frame_findings, game_findings
from sap_rl.audit.frames import FrameResult
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import Kind
from sap_rl.audit.worst import (
    Comparison,
    GameCell,
    Worst,
    bounds,
    compare,
    curve_area,
    mean_return,
    worst_cases,
)
from sap_rl.evaluation.comparison import Finding
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.plain import json_object, to_plain
from sap_rl.play.defended_name import defended_name
from sap_rl.statistics.intervals import Interval, reaches


@dataclass(frozen=True)
class AuditFacts:
    """What an audit asked of whom.

    settings: as it was played, lambdas, episodes and frames always said; sigma: of the noise on Q
    that is the noise control, None before it is known.
    """

    settings: AuditSettings
    agent: AgentFacts
    made: Made
    sigma: float | None = None

    @property
    def defense(self) -> str:
        """The name in tables of the player `defended`, empty where nobody plays as it."""
        return defended_name(self.settings.defense or "", self.settings.game)

    def plain(self) -> dict[str, Any]:
        """The card's `config`: the settings, who was audited, and the code."""
        settings: dict[str, Any] = to_plain(self.settings)
        return settings | {
            "agent": self.agent.name,
            "agent_sha256": self.agent.sha256,
            "threads": self.agent.threads,
            "sigma": self.sigma,
            "commit": self.made.commit,
            "code": self.made.code,
        }


@dataclass(frozen=True)
class AuditCard:
    """Everything an audit found.

    area: player -> mean of its worst-case return over the logarithm of lambda (trapezoids between
    the smallest and the largest lambda), None for one lambda; verdicts: plain sentences.
    """

    facts: AuditFacts
    complete: bool
    frames: tuple[FrameResult, ...]
    games: tuple[GameCell, ...]
    worst: tuple[Worst, ...]
    area: dict[str, float | None]
    comparisons: tuple[Comparison, ...]
    checks: tuple[Finding, ...]
    verdicts: tuple[str, ...]
    kinds: dict[str, Kind]

    def cell(self, player: str, title: str, lam: float) -> GameCell | None:
        """The games of that player under that attack, None if they were not played."""
        for cell in self.games:
            if (cell.player, cell.title, cell.lam) == (player, title, lam):
                return cell
        return None

    def to_json(self) -> str:
        """One JSON object; `lam` is spelled lambda there; never NaN or Infinity."""
        whole: dict[str, Any] = to_plain(self)
        del whole["facts"]
        for plain in whole["frames"]:
            plain["frames"] = len(plain.pop("first"))
            del plain["again"]
            for name in ("margin_lost", "value_lost"):
                plain[name] = float(np.mean(plain[name]))
        for part in (*whole["frames"], *whole["games"], *whole["worst"], *whole["comparisons"]):
            part["lambda"] = part.pop("lam")
        for part in whole["games"]:
            del part["row"]["lam"]
        facts = {"config": self.facts.plain(), "versions": self.facts.made.versions}
        return json_object(facts | whole)


def make_card(
    facts: AuditFacts,
    frames: Sequence[FrameResult],
    games: Sequence[GameCell],
    kinds: dict[str, Kind],
    *,
    complete: bool,
) -> AuditCard:
    """The card of what was measured by now."""
    settings = facts.settings
    worst = worst_cases(games, kinds, settings.seed)
    comparisons = compare(games, worst, settings.seed)
    observation = settings.protocol.observation
    checks = (*frame_findings(frames, kinds), *game_findings(games, kinds, observation))
    area = {
        player: curve_area([(w.lam, w.mean) for w in worst if w.player == player])
        for player in dict.fromkeys(w.player for w in worst)
    }
    return AuditCard(
        facts,
        complete,
        tuple(frames),
        tuple(games),
        worst,
        area,
        comparisons,
        checks,
        verdicts(facts, games, worst, comparisons, kinds, complete=complete),
        kinds,
    )


def verdicts(
    facts: AuditFacts,
    games: Sequence[GameCell],
    worst: Sequence[Worst],
    comparisons: Sequence[Comparison],
    kinds: dict[str, Kind],
    *,
    complete: bool,
) -> tuple[str, ...]:
    """What was found, one sentence per question and lambda."""
    found = []
    defense = facts.defense
    floor = next((cell for cell in games if cell.player == "random"), None)
    for lam in dict.fromkeys(w.lam for w in worst):
        here = {w.player: w for w in worst if w.lam == lam}
        name = "defended" if "defended" in here else "original"
        found += _beside_the_paper(lam, here[name], defense or facts.agent.name)
        between = {c.second: c for c in comparisons if c.lam == lam}
        if defense and "original" in between:
            at_floor = floor is not None and _at_floor(here, floor)
            noisy = kinds["defended"].random
            found.append(_help(lam, defense, here, between, noisy=noisy, at_floor=at_floor))
    clean = {cell.player: mean_return(cell.row) for cell in games if cell.lam == 0}
    if defense and {"original", "defended"} <= clean.keys():
        found.append(
            f"Without an attack {defense} keeps {clean['defended']:.1f} of {clean['original']:.1f}."
        )
    if not complete:
        found.append("INCOMPLETE: cells are missing, and the worst case may be among them.")
    return tuple(found)


def _beside_the_paper(lam: float, worst: Worst, name: str) -> list[str]:
    if worst.paper is None or worst.stronger is None:
        return []
    if worst.mean < worst.paper:
        return [
            f"Lambda {lam:g}: the strongest attack played leaves {name} {worst.mean:.1f}, the "
            f"paper's FGSM {worst.paper:.1f}: {worst.paper - worst.mean:.1f} points more"
            f"{bounds(worst.stronger)}."
        ]
    return [
        f"Lambda {lam:g}: no attack played is stronger on {name} than the paper's FGSM, which "
        f"leaves {worst.paper:.1f}."
    ]


def _at_floor(here: dict[str, Worst], floor: GameCell) -> bool:
    """Whether both worst cases reach the random policy, as `at_floor` says of an evaluation."""
    random = Interval(mean_return(floor.row), floor.row.ci_low, floor.row.ci_high)
    both = (here["original"], here["defended"])
    return all(reaches(Interval(w.mean, w.ci_low, w.ci_high), random) for w in both)


def _help(
    lam: float,
    defense: str,
    here: dict[str, Worst],
    between: dict[str, Comparison],
    *,
    noisy: bool,
    at_floor: bool,
) -> str:
    """Whether the defence helps, by worst cases: it must beat the original and, where it flips at
    random itself, the noise; where both play as badly as the random policy nothing is helped."""
    gain = between["original"].interval
    worst = f"{here['defended'].mean:.1f} against {here['original'].mean:.1f}"
    points = f"{gain.mean:+.1f} points{bounds(gain)}"
    if gain.high is not None and gain.high < 0:
        return f"Lambda {lam:g}: {defense} HARMS, worst case {worst} ({points})."
    if at_floor:
        return (
            f"Lambda {lam:g}: unclear, both at the floor (no better than the random policy), "
            f"worst case {worst} ({points})."
        )
    if gain.low is None:
        return f"Lambda {lam:g}: unclear, worst case {worst} ({points}, no interval)."
    if gain.low <= 0:
        return f"Lambda {lam:g}: {defense} does not help, worst case {worst} ({points})."
    control = between.get("noise-control")
    helps = f"Lambda {lam:g}: {defense} HELPS against this suite, worst case {worst} ({points})."
    if not noisy:
        return helps
    if control is None:
        return f"Lambda {lam:g}: unclear without the noise control, worst case {worst}."
    beyond = control.interval
    if (beyond.mean if beyond.low is None else beyond.low) <= 0:
        return (
            f"Lambda {lam:g}: {defense} keeps more than the original, worst case {worst} "
            f"({points}), but not more than noise that flips as many actions "
            f"({beyond.mean:+.1f}{bounds(beyond)})."
        )
    return helps
