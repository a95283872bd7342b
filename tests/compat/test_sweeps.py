"""A sweep's store of an earlier version, one of its cells unfinished: it is read, and goes on."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from sap_rl.cli import main
from sap_rl.evaluation.results import Evaluation
from sap_rl.store.store import load_evaluations
from tests.compat.cells import rows_of
from tests.compat.kept import FILES, assert_holds, read_json, renamed
from tests.compat.machine import must_repeat

GOLDEN = read_json("sweep.json")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A copy: opening a store may change its file."""
    return Path(shutil.copy(FILES / "sweep.sqlite", tmp_path / "sweep.sqlite"))


def rows(path: Path) -> list[list[dict[str, object]]]:
    found: list[Evaluation] = load_evaluations(path)
    return [rows_of(evaluation) for evaluation in found]


def test_what_was_played_is_read(store: Path) -> None:
    assert [evaluation.complete for evaluation in load_evaluations(store)] == [True, False]
    assert_holds(rows(store), GOLDEN["kept"])


def test_the_commands_read_it(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["store", "list", str(store)]) == 0
    listed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[-1] for line in listed[1:]] == ["7/7", "1/2"]
    whole = tmp_path / "whole.sqlite"
    assert main(["store", "merge", str(whole), str(store)]) == 0
    assert rows(whole) == rows(store)
    for path in (store, whole):  # a comparison wants one protocol for a cell
        assert main(["store", "drop", str(path), listed[2][0]]) == 0
    capsys.readouterr()
    assert main(["compare", str(store), str(whole)]) == 0
    assert "0 of 7 cell(s) on both sides differ" in capsys.readouterr().out


def test_its_export_is_what_it_was(store: Path, tmp_path: Path) -> None:
    assert main(["store", "export", str(store), "--out", str(tmp_path / "out.csv")]) == 0
    tables = []
    for path in (tmp_path / "out.csv", FILES / "sweep.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            tables.append(list(csv.DictReader(file)))
    before = {row.pop("code") for row in tables[1]}  # today it names versions
    assert before == {"2fe68044e73eec53"}
    assert {row["code"].split(",")[0] for row in tables[0]} == {"core 1"}
    assert len(tables[1]) == 16
    assert_holds(tables[0], renamed(tables[1]))


def test_its_report_is_a_page(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    page = tmp_path / "page.html"
    assert main(["report", str(store), "--no-film", "--quiet", "--out", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "BankHeist" in text
    assert "sap-100" in text


def test_the_sweep_goes_on_to_the_same_end(store: Path) -> None:
    """Cells that other code played are played again; either way the returns are the same."""
    argv = ["sweep", str(FILES / "sweep.yaml"), "--out", str(store), "--workers", "1", "--quiet"]
    assert main(argv) == 0
    found = load_evaluations(store)
    assert [evaluation.complete for evaluation in found] == [True, True]
    if must_repeat(GOLDEN):
        assert_holds(rows(store), GOLDEN["ended"])
