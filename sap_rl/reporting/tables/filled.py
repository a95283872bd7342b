"""Tables as text: what a column is, and the cells that lines have in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from sap_rl.evaluation.results import Evaluation
from sap_rl.evaluation.settings import Settings
from sap_rl.play.defended_name import defended_name
from sap_rl.reporting.tables.levels import level_words
from sap_rl.reporting.tables.text import DASH, Cell

Place = Literal["terminal", "page"]
Kind = Literal["", "word", "long", "verdict"]
Line = TypeVar("Line")
"""What a line of the table is about: a Row, say, or a Change."""


@dataclass(frozen=True)
class Column(Generic[Line]):
    """A column of a table; where nothing else is said, of the terminal's and of the page's.

    title: its heading; `{defense}` in it is the defended player's name, `{level}` what says how
    strongly frames are tampered with: lambda, or a corruption with its unit; cell: a line of the
    table and what it belongs to, an Evaluation mostly -> what stands there; kind: numbers (the
    empty kind) stand to the right, words to the left, long text goes on below itself; page_title:
    the page's heading where it has the room for a longer one; only: the one place that shows it;
    note: what it means, below the tables in which it says anything; rank: where a terminal has too
    little room, columns of the largest go first; on a telephone all but those of 0. of_attack: it
    says something only where somebody attacks; if_any: left out where no line says anything in it.
    """

    title: str
    cell: Callable[[Line, Any], str | Cell]
    kind: Kind = ""
    page_title: str = ""
    only: Place | None = None
    note: str = ""
    rank: int = 0
    of_attack: bool = False
    if_any: bool = False

    def heading(self, place: Place) -> str:
        """The title that stands in `place`."""
        return self.page_title if place == "page" and self.page_title else self.title


@dataclass(frozen=True)
class Filled:
    """A table's text: heading and kind of each column, a cell per column of each line, notes, and
    the rank of each column."""

    columns: tuple[tuple[str, Kind], ...]
    lines: tuple[tuple[str | Cell, ...], ...]
    notes: tuple[str, ...]
    ranks: tuple[int, ...]


def filled(
    columns: Iterable[Column[Line]],
    lines: Iterable[Line],
    place: Place,
    whole: Evaluation | None = None,
) -> Filled:
    """A table as `place` shows it, with the notes of the columns that say anything; whole: what
    the lines belong to."""
    lines = tuple(lines)
    attacked = whole is None or whole.settings.corruption is None
    shown = [
        column for column in columns
        if column.only in (None, place) and (attacked or not column.of_attack)
    ]  # fmt: skip
    shown = [c for c in shown if not c.if_any or any(c.cell(line, whole) != "-" for line in lines)]
    cells = tuple(tuple(column.cell(line, whole) for column in shown) for line in lines)
    names = {} if whole is None else _names(whole.settings)
    headings = [column.heading(place).format(**names) for column in shown]
    notes = tuple(
        f"{heading}: {column.note.format(**names)}."
        for at, (heading, column) in enumerate(zip(headings, shown, strict=True))
        if column.note and any(line[at] not in ("-", DASH) for line in cells)
    )
    kinds = [column.kind for column in shown]
    ranks = tuple(column.rank for column in shown)
    return Filled(tuple(zip(headings, kinds, strict=True)), cells, notes, ranks)


def _names(settings: Settings) -> dict[str, str]:
    """What stands for the words in braces of headings and notes."""
    level, note = level_words(settings)
    defense = defended_name(settings.defense or "", settings.game)
    return {"defense": defense, "level": level, "level_note": note}
