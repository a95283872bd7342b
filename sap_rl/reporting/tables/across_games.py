"""Several games in one table, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from sap_rl.compare.across_games import THRESHOLDS, Across, summarise_games
from sap_rl.evaluation.results import Evaluation
from sap_rl.reporting.tables.evaluation import plain_table
from sap_rl.reporting.tables.flags import FLAGS, LOOKED
from sap_rl.statistics.aggregates import Aggregate

Cell = tuple[str, str]
"""A number and its interval."""

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


def across_report(evaluations: Iterable[Evaluation]) -> RenderableType | None:
    """What several games say together, in 80 columns; None for fewer than two games."""
    found = summarise_games(evaluations)
    if not found:
        return None
    parts: list[RenderableType] = []
    for title, rows in _blocks(found):
        table = plain_table(
            "lambda", "of", "original", "95%", "defended", "95%", "better", "95%", left=("of",)
        )
        for lam, measure, *cells in _rows(rows):
            table.add_row(lam, measure, *(text for cell in cells[:3] for text in cell))
        parts += [Text(title), table]
    return Group(*parts, *(Text(note) for note in across_notes(found)))


def across_tables(found: Sequence[Across]) -> list[dict[str, object]]:
    """The tables of a page: a name, and rows of cells by column."""
    names = ("lam", "measure", "original", "defended", "better", "above", "above_defended")
    return [
        {"name": title, "rows": [dict(zip(names, row, strict=True)) for row in _rows(rows)]}
        for title, rows in _blocks(found)
    ]


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


def profile_words() -> str:
    """The thresholds of the shares, as a heading."""
    return ", ".join(f"{threshold:g}" for threshold in THRESHOLDS)


def _blocks(found: Sequence[Across]) -> Iterator[tuple[str, list[Across]]]:
    """Lambdas of one attack, defence and list of games under one title."""
    for title, rows in groupby(found, _title):
        yield title, list(rows)


def _title(part: Across) -> str:
    named = ", ".join(part.games)
    rules = f" ({part.apart})" if part.apart else ""
    return f"Across {len(part.games)} games ({named}): {part.defense or 'no defence'}, " + (
        f"{part.attack}{rules}"
    )


def _rows(rows: Sequence[Across]) -> Iterator[tuple[str, str, Cell, Cell, Cell, str, str]]:
    for part in rows:
        lam, ours, theirs = f"{part.lam:g}", part.original, part.defended
        yield (
            lam, "mean", _cell(ours.mean), _cell(theirs.mean if theirs else None),
            _cell(part.better), _shares(ours.above), _shares(theirs.above if theirs else ()),
        )  # fmt: skip
        if ours.quarters is not None:
            quarters = theirs.quarters if theirs else None
            yield lam, "iqm", _cell(ours.quarters), _cell(quarters), ("", ""), "", ""


def _cell(found: Aggregate | None) -> Cell:
    if found is None:
        return "-", ""
    return f"{found.value:.2f}", f"{found.low:.2f}..{found.high:.2f}"


def _shares(above: Sequence[float]) -> str:
    return " ".join(f"{100 * share:.0f}%" for share in above) or "-"
