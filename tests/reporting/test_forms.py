"""An evaluation as people meet it in Python."""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sap_rl import Evaluation, UsageError
from sap_rl.reporting.tables.evaluation import console, evaluation_report
from tests.reporting.made import evaluation


def test_printed_it_is_the_table_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    whole = evaluation()
    console().print(evaluation_report(whole))
    assert str(whole) == capsys.readouterr().out.rstrip("\n")
    assert max(map(len, str(whole).splitlines())) <= 80


def test_its_repr_is_one_short_line() -> None:
    whole = evaluation()
    assert repr(whole) == "Evaluation(BankHeist, lambda 0.25, 1, 4, 19 arms of 4 episodes)"
    assert repr(replace(whole, rows=whole.rows[:1])).endswith("episodes, incomplete)")


def test_a_notebook_gets_both_tables_escaped() -> None:
    whole = evaluation()
    marked = replace(whole, rows=(replace(whole.rows[0], flags=("<b>",)), *whole.rows[1:]))
    shown = marked._repr_html_()
    assert shown.count("<table>") == 2
    assert shown.count("<tr>") == 2 + len(whole.rows) + len(whole.changes)
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown


def test_a_row_per_arm_for_pandas_and_csv(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    whole = evaluation()
    frame = whole.to_dataframe()
    assert list(frame["arm"]) == [row.arm for row in whole.rows]
    assert list(frame["mean"]) == [row.mean for row in whole.rows]
    assert {"game", "lambda", "victim", "ci_low", "flip_rate", "flags"} <= set(frame.columns)
    assert not {"returns", "lengths", "lam"} & set(frame.columns)
    whole.to_csv(tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == list(frame.columns)
    assert [line["mean"] for line in lines] == [str(row.mean) for row in whole.rows]


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    whole = evaluation()
    whole.save(tmp_path / "x.json")
    assert Evaluation.load(str(tmp_path / "x.json")) == whole


def test_its_plot_has_a_line_per_player_and_gradient() -> None:
    pytest.importorskip("matplotlib")
    axes = evaluation().plot().axes[0]
    assert len(axes.get_lines()) >= 2


def test_missing_packages_are_one_line() -> None:
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from tests.reporting.made import evaluation\n"
        "from sap_rl import UsageError\n"
        "try: evaluation().to_dataframe()\n"
        "except UsageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "data frames need pandas: pip install 'sap-rl[report]'\n"
    with pytest.raises(UsageError, match="cannot write"):
        evaluation().save("/no/such/folder/x.json")
