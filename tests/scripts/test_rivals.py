"""The tables of docs/rivals.md, from a store."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import sap_rl

SCRIPT = Path(__file__).parents[2] / "scripts" / "rivals.py"
rivals = SimpleNamespace(**runpy.run_path(str(SCRIPT)))


def test_the_attack_that_leaves_least_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = sap_rl.evaluate(
        "BankHeist", "BankHeist", lam=1.0, defense="bit-depth-3", victims=("own", "original"),
        episodes=2, max_frames=200,
    )  # fmt: skip
    means = {"own": 30.0, "original": 20.0}
    rows = [
        replace(row, mean=means[row.victim or ""]) if row.arm == "defended" and row.lam else row
        for row in found.rows
    ]
    kept = rivals.weakest([replace(found, rows=tuple(rows))], 1.0)
    assert (kept.defended.victim, kept.defended.mean) == ("original", 20)
    assert kept.original == found.row("original", 1.0, "own")
    assert kept.noise is None  # bit depth draws nothing
    found.save(tmp_path / "one.json")
    assert rivals.main([str(tmp_path / "one.json")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("## BankHeist\n\n| defence | no attack | lambda 1 |\n")
    assert said.count("\n| `bit-depth-3` ") == 2


def test_an_interval_is_left_out_where_there_is_none() -> None:
    assert rivals.text(rivals.Interval(2.0, None, None)) == "2.0"
    assert rivals.text(rivals.Interval(-2.0, -3.0, 1.0), "+") == "-2.0 [-3, +1]"
