"""How much of each corruption a player bears: the severity at which half of its reward is gone."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sap_rl.audit.cells import AuditCell
from sap_rl.audit.worst import GameResult, Worst, mean_return
from sap_rl.corruptions import CORRUPTIONS
from sap_rl.play.arms import ArmName

LAMBDA = "lambda"
"""The worst case over attacks, in the place of a corruption."""

Where = Literal["at", "milder", "never"]


@dataclass(frozen=True)
class Halved:
    """The severity at which half of a player's reward above random play is gone.

    corruption: its name, LAMBDA for the worst case over attacks; points: (severity, mean return)
    as played, mild ones first; where: `at` the severity, which lies between two that were played
    (linear in the return and the logarithm of the severity); `milder` than the mildest played;
    `never` up to the worst played. severity: then the mildest or the worst one.
    """

    corruption: str
    player: str
    where: Where
    severity: float
    points: tuple[tuple[float, float], ...]

    @property
    def falling(self) -> bool:
        """Whether smaller numbers are worse."""
        return self.corruption != LAMBDA and CORRUPTIONS[self.corruption].severity.falling


def camera_cells(
    players: Sequence[ArmName], played: Collection[AuditCell], lost: Collection[tuple[str, str]]
) -> list[AuditCell]:
    """The next severity of each corruption for each player, but for the pairs that are lost;
    played: the cells before."""
    cells = []
    for name, entry in CORRUPTIONS.items():
        for player in players:
            before = sum((cell.corruption, cell.player) == (name, player) for cell in played)
            suite = entry.severity.suite
            if (name, player) not in lost and before < len(suite):
                cells.append(AuditCell("camera", player, None, suite[before], name))
    return cells


def half_left(clean: float, floor: float | None) -> float:
    """The return that is half of the way from clean play to random play."""
    return (clean + (floor or 0.0)) / 2


def halved(
    corruption: str, player: str, points: Sequence[tuple[float, float]], half: float
) -> Halved:
    """Where a curve first reaches `half`; points: (severity, mean return), mild ones first."""
    found = tuple(points)
    lost = next((i for i, (_, mean) in enumerate(found) if mean <= half), None)
    if lost is None:
        return Halved(corruption, player, "never", found[-1][0], found)
    if lost == 0:
        return Halved(corruption, player, "milder", found[0][0], found)
    (before, high), (after, low) = found[lost - 1], found[lost]
    share = (high - half) / (high - low)
    place = math.log(before) + share * (math.log(after) - math.log(before))
    return Halved(corruption, player, "at", math.exp(place), found)


def profile(
    spoilt: Iterable[GameResult], worst: Iterable[Worst], clean: dict[str, float]
) -> tuple[Halved, ...]:
    """The worst case over attacks, then every corruption, each for every player; spoilt: games
    whose title is the corruption; clean: mean returns by player, with that of `random`."""
    curves: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for case in sorted(worst, key=lambda case: case.lam):
        curves.setdefault((LAMBDA, case.player), []).append((case.lam, case.mean))
    for cell in spoilt:
        curves.setdefault((cell.title, cell.player), []).append((cell.lam, mean_return(cell.row)))
    floor = clean.get("random")
    return tuple(
        halved(name, player, points, half_left(clean[player], floor))
        for (name, player), points in curves.items()
        if player in clean and player != "noise-control"
    )
