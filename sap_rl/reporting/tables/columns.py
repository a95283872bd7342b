"""The columns of an evaluation's tables, one list for the terminal and the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from sap_rl.evaluation.results import Change, Evaluation, Row
from sap_rl.play.defended_name import defended_name
from sap_rl.reporting.tables.flags import flag_marks
from sap_rl.reporting.tables.text import (
    Cell,
    change_text,
    flags_text,
    interval_text,
    mean_cell,
    number_text,
    paper_text,
    percent_cell,
    percent_text,
    player_name,
    points_cell,
    victim_text,
)

Place = Literal["terminal", "page"]
Kind = Literal["", "word", "long"]
Line = TypeVar("Line")
"""What a line of the table is about: a Row or a Change."""


@dataclass(frozen=True)
class Column(Generic[Line]):
    """A column of a table; where nothing else is said, of the terminal's and of the page's.

    title: its heading; `{defense}` in it is the defended player's name; cell: a line of the table
    and the evaluation that it belongs to -> what stands there; kind: numbers (the empty kind) stand
    to the right, words to the left, long text goes on below itself; page_title: the page's heading
    where it has the room for a longer one; only: the one place that shows it; note: what it means,
    below the tables.
    """

    title: str
    cell: Callable[[Line, Evaluation], str | Cell]
    kind: Kind = ""
    page_title: str = ""
    only: Place | None = None
    note: str = ""

    def heading(self, place: Place, evaluation: Evaluation) -> str:
        """The title that stands in `place`."""
        title = self.page_title if place == "page" and self.page_title else self.title
        settings = evaluation.settings
        return title.replace("{defense}", defended_name(settings.defense or "", settings.game))


ROWS: tuple[Column[Row], ...] = (
    Column("lambda", lambda row, _: f"{row.lam:g}"),
    Column("player", lambda row, _: player_name(row), "word"),
    Column("gradient", lambda row, _: victim_text(row.victim), "word"),
    Column("return", lambda row, _: _mean_text(row), only="terminal"),
    Column("return", lambda row, _: mean_cell(row), only="page"),
    Column("95% interval", lambda row, _: interval_text(row.ci_low, row.ci_high), only="terminal"),
    Column(
        "norm",
        lambda row, _: _optional(row.normalised, ".2f"),
        page_title="normalised",
        note="(return - random) / (human - random), both as published",
    ),
    Column("flips", lambda row, _: percent_text(row.flip_rate)),
    Column("self", lambda row, _: percent_text(row.self_flip_rate), page_title="itself"),
    Column("s", lambda row, _: f"{row.seconds:.0f}", only="terminal"),
    Column("steps/s", lambda row, _: f"{row.steps_per_second:.0f}", only="terminal"),
    Column("largest", lambda row, _: _optional(row.linf_max, ".4g"), only="page"),
    Column("largest, mean", lambda row, _: _optional(row.linf_mean, ".4g"), only="page"),
    Column("per pixel", lambda row, _: _optional(row.change_mean, ".3g"), only="page"),
    Column("episodes", lambda row, _: _episodes(row), only="page"),
    Column("cut short", lambda row, _: str(row.truncated), only="page"),
    Column("flags", lambda row, _: flags_text(row.flags), "word", only="page"),
)
"""One line per arm."""

CHANGES: tuple[Column[Change], ...] = (
    Column("lambda", lambda change, _: f"{change.lam:g}"),
    Column("gradient", lambda change, _: _starred(change), "word", only="terminal"),
    Column("gradient", lambda change, _: victim_text(change.victim), "word", only="page"),
    Column("stronger", lambda change, _: "yes" if _stronger(change) else "", "word", only="page"),
    Column("{defense} against original", lambda change, _: change_text(change), only="terminal"),
    Column("difference", lambda change, _: points_cell(change), only="page"),
    Column("change", lambda change, _: percent_cell(change), only="page"),
    Column("paper", lambda change, _: paper_text(change)),
    Column("verdict", lambda change, _: change.verdict, "word"),
    Column("flags", lambda change, whole: _marks(change, whole), "word", only="terminal"),
    Column("flags", lambda change, _: flags_text(change.flags), "long", only="page"),
)
"""One line per lambda and victim: the defended player against the original."""


@dataclass(frozen=True)
class Filled:
    """A table's text: heading and kind of each column, and a cell per column of each line."""

    columns: tuple[tuple[str, Kind], ...]
    lines: tuple[tuple[str | Cell, ...], ...]


def filled_rows(place: Place, evaluation: Evaluation) -> Filled:
    """The table of every arm, as `place` shows it."""
    return _filled(ROWS, evaluation.rows, place, evaluation)


def filled_changes(place: Place, evaluation: Evaluation) -> Filled:
    """The table of changes, as `place` shows it; without lines where nothing was defended."""
    return _filled(CHANGES, evaluation.changes, place, evaluation)


def column_notes(place: Place, evaluation: Evaluation) -> list[str]:
    """The notes of the columns that the evaluation's tables have, each after its heading."""
    columns: list[Column[Row] | Column[Change]] = [*_shown(ROWS, place)]
    if evaluation.changes:
        columns += _shown(CHANGES, place)
    return [f"{c.heading(place, evaluation)}: {c.note}." for c in columns if c.note]


def _shown(columns: Iterable[Column[Line]], place: Place) -> list[Column[Line]]:
    return [column for column in columns if column.only in (None, place)]


def _filled(
    columns: Iterable[Column[Line]], lines: Iterable[Line], place: Place, evaluation: Evaluation
) -> Filled:
    found = _shown(columns, place)
    return Filled(
        tuple((column.heading(place, evaluation), column.kind) for column in found),
        tuple(tuple(column.cell(line, evaluation) for column in found) for line in lines),
    )


def _mean_text(row: Row) -> str:
    return number_text(row.mean) + ("" if row.complete else f" ({row.episodes} ep.)")


def _optional(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _episodes(row: Row) -> str:
    return str(row.episodes) + ("" if row.complete else ", incomplete")


def _stronger(change: Change) -> bool:
    return change.headline and change.victim is not None


def _starred(change: Change) -> str:
    return victim_text(change.victim) + (" *" if _stronger(change) else "")


def _marks(change: Change, evaluation: Evaluation) -> str:
    marks = flag_marks(evaluation)
    return "".join(sorted(marks[flag] for flag in change.flags)) or "-"
