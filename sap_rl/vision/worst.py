"""What is left of each classifier under the worst of all attacks that were tried on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sap_rl.statistics.proportions import wilson_interval
from sap_rl.vision.figures import ADV, DENSE, DrawnLine
from sap_rl.vision.settings import LAMS

PLAYERS = {
    (DENSE, None): "dense",
    (DENSE, "sap-100"): "SAP-100",
    (ADV, None): "ADV",
    (ADV, "sap-100"): "ADV+SAP-100",
}
"""Classifier and defence -> the paper's name."""


@dataclass(frozen=True)
class WorstCase:
    """Of one classifier at a lambda.

    accuracy: percent of images that are right under every attack, with its Wilson 95% interval;
    attacks: how many there were; strongest: the one that alone leaves the least, `alone` percent.
    """

    player: str
    lam: float
    accuracy: float
    low: float
    high: float
    attacks: int
    strongest: str
    alone: float


def worst_cases(drawn: Sequence[DrawnLine]) -> tuple[WorstCase, ...]:
    """Image by image over all lines of a classifier, by classifier and lambda."""
    found = []
    for key, player in PLAYERS.items():
        lines = [part for part in drawn if (part.line.model, part.line.settings.defense) == key]
        for lam in LAMS[1:]:
            if (case := _worst(player, lam, lines)) is not None:
                found.append(case)
    return tuple(found)


def _worst(player: str, lam: float, lines: Sequence[DrawnLine]) -> WorstCase | None:
    known = [(part.line.label, part.found.row(lam)) for part in lines if part.found is not None]
    rows = [(label, row) for label, row in known if row is not None]
    if not rows:
        return None
    wrong = {place for _, row in rows for place in row.wrong}
    label, least = min(rows, key=lambda pair: pair[1].accuracy)
    left = least.images - len(wrong)
    low, high = wilson_interval(left, least.images)
    share = 100 * left / least.images
    return WorstCase(
        player, lam, share, 100 * low, 100 * high, len(rows), label, least.accuracy
    )  # fmt: skip


def verdicts(cases: Sequence[WorstCase]) -> tuple[str, ...]:
    """One sentence per lambda about SAP against the same network without it."""
    by_key = {(case.player, case.lam): case for case in cases}
    found = []
    for (player, lam), sap in by_key.items():
        if "SAP" not in player:
            continue
        without = by_key.get(("ADV" if "ADV" in player else "dense", lam))
        if without is not None:
            found.append(
                f"At lambda {lam:g} {player} keeps {sap.accuracy:.1f}% under the worst of "
                f"{sap.attacks} attacks, {without.player} {without.accuracy:.1f}% of "
                f"{without.attacks}: SAP {_verdict(sap, without)}."
            )
    return tuple(found)


def _verdict(sap: WorstCase, without: WorstCase) -> str:
    if sap.low > without.high:
        return "helps"
    return "harms" if sap.high < without.low else "makes no difference that is seen"
