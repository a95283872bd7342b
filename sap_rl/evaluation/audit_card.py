"""The report card of an audit: worst cases, curves, verdicts."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sap_rl.evaluation.audit_checks import frame_findings, game_findings
from sap_rl.evaluation.checks import Finding
from sap_rl.evaluation.frame_stage import FrameResult
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.statistics import Interval, difference_interval
from sap_rl.evaluation.suite import ALWAYS, PAPER, Kind
from sap_rl.seeds import numpy_stream

TAIL_SHARE = 0.2
"""Of the episodes: CVaR is the mean return of the worst fifth."""


@dataclass(frozen=True)
class GameCell:
    """One player's games under one attack at one lambda; title: `none` for clean play."""

    player: str
    title: str
    lam: float
    row: Row


@dataclass(frozen=True)
class Worst:
    """A player's lowest mean return over the attacks it met at one lambda.

    cvar: mean of its worst fifth of episodes there; paper: its mean under the paper's FGSM.
    """

    player: str
    lam: float
    title: str
    mean: float
    ci_low: float | None
    ci_high: float | None
    cvar: float
    paper: float | None


@dataclass(frozen=True)
class Comparison:
    """Two cells of one lambda in points of return, paired by episode: first minus second."""

    lam: float
    first: str
    second: str
    interval: Interval


@dataclass(frozen=True)
class AuditCard:
    """Everything an audit found.

    area: player -> mean of its worst-case return over the logarithm of lambda (trapezoids between
    the smallest and the largest lambda), None for one lambda; verdicts: plain sentences.
    """

    config: dict[str, Any]
    versions: dict[str, str]
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
        whole = asdict(self)
        for plain in whole["frames"]:
            plain["frames"] = len(plain.pop("first"))
            del plain["again"]
            for name in ("margin_lost", "value_lost"):
                plain[name] = float(np.mean(plain[name]))
        for part in (*whole["frames"], *whole["games"], *whole["worst"], *whole["comparisons"]):
            part["lambda"] = part.pop("lam")
        for part in whole["games"]:
            del part["row"]["lam"]
        return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def make_card(
    config: dict[str, Any],
    versions: dict[str, str],
    frames: Sequence[FrameResult],
    games: Sequence[GameCell],
    kinds: dict[str, Kind],
    *,
    complete: bool,
) -> AuditCard:
    """The card of what was measured by now."""
    worst = worst_cases(games, kinds)
    comparisons = compare(games, worst, config["seed"])
    observation = config["protocol"]["observation"]
    checks = (*frame_findings(frames, kinds), *game_findings(games, kinds, observation))
    area = {
        player: curve_area([(w.lam, w.mean) for w in worst if w.player == player])
        for player in dict.fromkeys(w.player for w in worst)
    }
    return AuditCard(
        config,
        versions,
        complete,
        tuple(frames),
        tuple(games),
        worst,
        area,
        comparisons,
        checks,
        verdicts(config, games, worst, comparisons, complete=complete),
        kinds,
    )


def worst_cases(games: Sequence[GameCell], kinds: dict[str, Kind]) -> tuple[Worst, ...]:
    """Per attacked player and lambda the attack that leaves least."""
    attacked = [cell for cell in games if cell.lam > 0]
    found = []
    for lam, player in dict.fromkeys((cell.lam, cell.player) for cell in attacked):
        cells = [cell for cell in attacked if (cell.lam, cell.player) == (lam, player)]
        lowest = min(cells, key=lambda cell: _mean(cell.row))
        paper = PAPER.against(kinds[player]).title
        means = [_mean(cell.row) for cell in cells if cell.title == paper]
        found.append(
            Worst(
                player,
                lam,
                lowest.title,
                _mean(lowest.row),
                lowest.row.ci_low,
                lowest.row.ci_high,
                cvar(lowest.row.returns),
                means[0] if means else None,
            )
        )
    return tuple(found)


def cvar(returns: Sequence[float], share: float = TAIL_SHARE) -> float:
    """Mean of the lowest `share` of the returns, at least one (Rockafellar & Uryasev 2000)."""
    count = max(1, math.ceil(share * len(returns)))
    return float(np.mean(sorted(returns)[:count]))


def curve_area(curve: Sequence[tuple[float, float]]) -> float | None:
    """Mean of the return over log(lambda), by trapezoids; None for fewer than two lambdas."""
    ordered = sorted(curve)
    if len(ordered) < 2:
        return None
    place = np.log([lam for lam, _ in ordered])
    returns = np.array([value for _, value in ordered])
    return float(np.trapezoid(returns, place) / (place[-1] - place[0]))


def compare(
    games: Sequence[GameCell], worst: Sequence[Worst], seed: int
) -> tuple[Comparison, ...]:  # fmt: skip
    """At each lambda the defended player's worst case against the others', and each player's
    worst case against the paper's attack on it."""
    rows = {(cell.player, cell.title, cell.lam): cell.row for cell in games}
    found = []
    for lam in dict.fromkeys(w.lam for w in worst):
        here = {w.player: w for w in worst if w.lam == lam}
        pairs = []
        for other in ("original", "matched"):
            if "defended" in here and other in here:
                pairs.append(((here["defended"].player, here["defended"].title),
                              (other, here[other].title)))  # fmt: skip
        for first, second in pairs:
            a, b = rows[(*first, lam)].returns, rows[(*second, lam)].returns
            rng = numpy_stream(seed, "bootstrap", "audit", f"{lam:g}", *first, *second)
            interval = difference_interval(a, b, rng=rng)
            found.append(Comparison(lam, first[0], second[0], interval))
    return tuple(found)


def verdicts(
    config: dict[str, Any],
    games: Sequence[GameCell],
    worst: Sequence[Worst],
    comparisons: Sequence[Comparison],
    *,
    complete: bool,
) -> tuple[str, ...]:
    """What was found, one sentence per question and lambda."""
    found = []
    defense = config["defense"]
    for lam in dict.fromkeys(w.lam for w in worst):
        here = {w.player: w for w in worst if w.lam == lam}
        name = "defended" if "defended" in here else "original"
        found += _beside_the_paper(lam, here[name], defense or config["agent"])
        between = {c.second: c for c in comparisons if c.lam == lam}
        if defense and "original" in between:
            found.append(_help(lam, defense, here, between))
    clean = {cell.player: _mean(cell.row) for cell in games if cell.lam == 0}
    if defense and {"original", "defended"} <= clean.keys():
        found.append(
            f"Without an attack {defense} keeps {clean['defended']:.1f} of {clean['original']:.1f}."
        )
    if not complete:
        found.append("INCOMPLETE: cells are missing, and the worst case may be among them.")
    return tuple(found)


def _beside_the_paper(lam: float, worst: Worst, name: str) -> list[str]:
    if worst.paper is None:
        return []
    if worst.mean < worst.paper:
        return [
            f"Lambda {lam:g}: the strongest attack played leaves {name} {worst.mean:.1f}, the "
            f"paper's FGSM {worst.paper:.1f}: {worst.paper - worst.mean:.1f} points more."
        ]
    return [
        f"Lambda {lam:g}: no attack played is stronger on {name} than the paper's FGSM, which "
        f"leaves {worst.paper:.1f}."
    ]


def _help(
    lam: float, defense: str, here: dict[str, Worst], between: dict[str, Comparison]
) -> str:  # fmt: skip
    """Whether the defence helps, by worst cases: it must beat the original and the noise."""
    gain = between["original"].interval
    worst = f"{here['defended'].mean:.1f} against {here['original'].mean:.1f}"
    points = f"{gain.mean:+.1f} points{bounds(gain)}"
    if gain.high is not None and gain.high < 0:
        return f"Lambda {lam:g}: {defense} HARMS, worst case {worst} ({points})."
    if gain.low is None:
        return f"Lambda {lam:g}: unclear, worst case {worst} ({points}, no interval)."
    if gain.low <= 0:
        return f"Lambda {lam:g}: {defense} does not help, worst case {worst} ({points})."
    control = between.get("matched")
    if control is None:
        return f"Lambda {lam:g}: unclear without the noise control, worst case {worst}."
    beyond = control.interval
    if (beyond.mean if beyond.low is None else beyond.low) <= 0:
        return (
            f"Lambda {lam:g}: {defense} keeps more than the original, worst case {worst} "
            f"({points}), but not more than noise that flips as many actions "
            f"({beyond.mean:+.1f}{bounds(beyond)})."
        )
    return f"Lambda {lam:g}: {defense} HELPS against this suite, worst case {worst} ({points})."


def bounds(interval: Interval) -> str:
    """` [low, high]`, nothing where there is none."""
    if interval.low is None or interval.high is None:
        return ""
    return f" [{interval.low:+.1f}, {interval.high:+.1f}]"


def always_titles(kind: Kind) -> list[str]:
    """Titles of the attacks that always play, as they apply."""
    return [entry.against(kind).title for entry in ALWAYS]


def _mean(row: Row) -> float:
    assert row.mean is not None
    return row.mean
