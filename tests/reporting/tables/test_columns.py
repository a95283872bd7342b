"""A column is one line in one list, and stands in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from sap_rl.evaluation.results import Evaluation
from sap_rl.reporting.tables import columns
from sap_rl.reporting.tables.columns import filled_changes, filled_rows
from sap_rl.reporting.tables.evaluation import evaluation_report
from sap_rl.reporting.tables.filled import Column, Filled, Place
from tests.reporting.made import evaluation
from tests.reporting.page.test_page import Reader, page


def printed() -> list[list[str]]:
    with (screen := Console(width=120, force_terminal=False)).capture() as capture:
        screen.print(evaluation_report(evaluation()))
    return [line.split() for line in capture.get().splitlines()]


def long_table(found: Reader) -> list[list[str]]:
    return next(t for t in found.tables if t[0][:2] == ["lambda", "player"])


def by_heading(filled: Filled) -> dict[str, list[object]]:
    return {h: [line[i] for line in filled.lines] for i, (h, _) in enumerate(filled.columns)}


def test_a_column_of_arms_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    new: Column[Any] = Column(
        "best", lambda row, _: f"{max(row.returns):g}", note="the best episode's return"
    )
    monkeypatch.setattr(columns, "ROWS", (*columns.ROWS, new))
    best = [f"{max(row.returns):g}" for row in evaluation().rows]
    assert {"503", "11.5"} <= set(best), "the original in clean play, the random player"
    lines = printed()
    start = next(i for i, line in enumerate(lines) if line[:2] == ["lambda", "player"])
    assert lines[start][-2:] == ["steps/s", "best"]
    assert [line[-1] for line in lines[start + 1 :][: len(best)]] == best
    assert "best: the best episode's return." in [" ".join(line) for line in lines]
    found = page(evaluation())
    table = long_table(found)
    assert table[0][-2:] == ["flags", "best"]
    assert [line[-1] for line in table[1:]] == best
    assert "Best: the best episode's return." in found.text


def test_a_column_of_changes_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    new: Column[Any] = Column("width", lambda change, _: f"{change.lam * 2:g}", note="twice lambda")
    monkeypatch.setattr(columns, "CHANGES", (new, *columns.CHANGES))
    lines = printed()
    start = next(i for i, line in enumerate(lines) if line[:2] == ["width", "lambda"])
    found = page(evaluation())
    table = next(t for t in found.tables if t[0][:2] == ["width", "lambda"])
    doubled = [f"{change.lam * 2:g}" for change in evaluation().changes]
    assert [line[0] for line in lines[start + 1 :][: len(doubled)]] == doubled
    assert [line[0] for line in table[1:]] == doubled
    assert ["width:", "twice", "lambda."] in lines
    assert "Width: twice lambda." in found.text


def test_a_cell_with_an_interval_stands_in_one_line_of_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new: Column[Any] = Column("pair", lambda *_: ("12", "10 to 14"))
    monkeypatch.setattr(columns, "ROWS", (*columns.ROWS, new))
    assert ["12", "10", "to", "14"] in [line[-4:] for line in printed()]
    assert long_table(page(evaluation()))[1][-1] == "12 10 to 14"


@pytest.mark.parametrize(
    ("filled", "pairs"),
    [
        (filled_rows, {"lambda": "lambda", "player": "player", "gradient": "gradient",
                       "norm": "normalised", "flips": "flips", "self": "itself"}),
        (filled_changes, {"lambda": "lambda", "paper": "paper", "verdict": "verdict"}),
    ],
)  # fmt: skip
def test_both_places_say_the_same_of_what_both_show(
    filled: Callable[[Place, Evaluation], Filled], pairs: dict[str, str]
) -> None:
    whole = evaluation()
    terminal, shown = by_heading(filled("terminal", whole)), by_heading(filled("page", whole))
    for one, other in pairs.items():
        assert terminal[one] == shown[other]
