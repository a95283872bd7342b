"""Several games in one table, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from sap_rl.compare.across_games import THRESHOLDS, Across, Standing, summarise_games
from sap_rl.evaluation.results import Evaluation
from sap_rl.reporting.tables.evaluation import Fitted
from sap_rl.reporting.tables.filled import Column, Filled, Place, filled
from sap_rl.reporting.tables.flags import FLAGS, LOOKED
from sap_rl.reporting.tables.text import DASH, Cell
from sap_rl.statistics.aggregates import Aggregate

NORMALISED = (
    "Normalised returns: 0 is random play, 1 a human's, both as published; every game counts the "
    "same. The defended player stands under the stronger of the attacks played on it in each game."
)
BETTER = (
    "Better: chance that one of the defended player's lies above one of the original's, ties half, "
    "drawn apart."
)
QUARTERS = (
    "iqm: interquartile mean over networks and games, without the lowest and highest quarter."
)
OVER = {
    "episodes": "Intervals: 95%, bootstrap over the episodes within each game; one trained network "
    "in some game at least, so they say nothing about other training runs, nor about other games.",
    "training runs": "Intervals: 95%, bootstrap over the trained networks within each game; they "
    "say nothing about other games.",
}


class Measure(NamedTuple):
    """A line: the mean over games, or the interquartile mean over their networks."""

    part: Across
    name: str

    def of(self, player: Standing | None) -> Cell:
        """What it is for a player, with its interval."""
        if player is None:
            return DASH
        return _cell(player.mean if self.name == "mean" else player.quarters)

    @property
    def better(self) -> Cell:
        """The chance that the defended player is better, beside the mean."""
        return _cell(self.part.better) if self.name == "mean" else ("", "")

    def above(self, player: Standing | None) -> str:
        """The shares of the player's returns above the thresholds, beside the mean."""
        if self.name != "mean":
            return ""
        above = player.above if player is not None else ()
        return " ".join(f"{100 * share:.0f}%" for share in above) or "-"


Columns = tuple[Column[Measure], ...]


def _with_interval(title: str, of: Callable[[Measure], Cell]) -> Columns:
    return (
        Column(title, lambda at, _: of(at), only="page"),
        Column(title, lambda at, _: of(at)[0], only="terminal"),
        Column("95%", lambda at, _: of(at)[1], only="terminal"),
    )


PROFILE = ", ".join(f"{threshold:g}" for threshold in THRESHOLDS)
"""The thresholds of the shares, as a heading."""

COLUMNS: Columns = (
    Column("lambda", lambda at, _: f"{at.part.lam:g}"),
    Column("of", lambda at, _: at.name, "word"),
    *_with_interval("original", lambda at: at.of(at.part.original)),
    *_with_interval("defended", lambda at: at.of(at.part.defended)),
    *_with_interval("better", lambda at: at.better),
    Column(
        f"original above {PROFILE}",
        lambda at, _: at.above(at.part.original),
        "word",
        only="page",
    ),
    Column(
        f"defended above {PROFILE}",
        lambda at, _: at.above(at.part.defended),
        "word",
        only="page",
    ),
)


def across_report(evaluations: Iterable[Evaluation]) -> RenderableType | None:
    """What several games say together, in 80 columns; None for fewer than two games."""
    found = summarise_games(evaluations)
    if not found:
        return None
    parts: list[RenderableType] = []
    for title, table in across_tables("terminal", found):
        parts += [Text(title), Fitted(table)]
    return Group(*parts, *(Text(note) for note in across_notes(found)))


def across_tables(place: Place, found: Sequence[Across]) -> Iterator[tuple[str, Filled]]:
    """A table, under its title, for lambdas of one attack, defence and list of games."""
    for title, parts in groupby(found, _title):
        lines = [
            Measure(part, name)
            for part in parts
            for name in ("mean", *(["iqm"] if part.original.quarters else []))
        ]
        yield title, filled(COLUMNS, lines, place)


def across_notes(found: Sequence[Across]) -> list[str]:
    """What the numbers are and what their intervals are over."""
    notes = [NORMALISED]
    if any(part.better for part in found):
        notes.append(BETTER)
    if any(part.original.quarters for part in found):
        notes.append(QUARTERS)
    columns = _columns_by_over(found)
    for over, names in columns.items():
        where = f"{', '.join(names)}: " if len(columns) > 1 else ""
        notes.append(where + OVER[over])
    several = {game: names for part in found for game, names in part.networks.items()}
    notes += [
        f"{game} counts {len(names)} networks: {', '.join(names)}."
        for game, names in several.items()
        if len(names) > 1
    ]
    weak = {(p.defense, p.attack, game): None for p in found for game in p.weak}
    notes += [f"{', '.join(where)}: {FLAGS['weak_attack_only']}." for where in weak]
    return notes + ([LOOKED] if any(part.looked for part in found) else [])


def _columns_by_over(found: Sequence[Across]) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for part in found:
        shown = {
            "original": part.original.mean,
            "defended": part.defended.mean if part.defended else None,
            "better": part.better,
        }
        for name, cell in shown.items():
            if cell is not None and name not in columns.setdefault(cell.over, []):
                columns[cell.over].append(name)
    return columns


def _title(part: Across) -> str:
    named = ", ".join(part.games)
    rules = f" ({part.apart})" if part.apart else ""
    return f"Across {len(part.games)} games ({named}): {part.defense or 'no defence'}, " + (
        f"{part.attack}{rules}"
    )


def _cell(found: Aggregate | None) -> Cell:
    if found is None:
        return DASH
    return f"{found.value:.2f}", f"{found.low:.2f}..{found.high:.2f}"
