"""`sap-rl compare` and `sap-rl game` as people type them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sap_rl.cli import main
from sap_rl.reporting.tables.flags import LOOKED, SEVERAL_LOOKS
from tests.evaluation.made_up import Given, made_up

LUCK = np.random.default_rng(0).normal(0, 10, 12)


def cells(own: float = 80) -> Given:
    return {
        ("random", 0.0, None): 10 + LUCK[::-1],
        ("original", 0.0, None): 500 + LUCK,
        ("defended", 0.0, None): 400 + LUCK[::-1],
        ("original", 1.0, "own"): 50 + LUCK,
        ("defended", 1.0, "own"): own + LUCK[::-1],
        ("defended", 1.0, "original"): 70 + LUCK[::-1],
    }


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    made = {
        "a": made_up(cells()),
        "same": made_up(cells(), seed=1),
        "moved": made_up(cells(160)),
        "pgd": made_up(
            {cell: v for cell, v in cells(30).items() if cell[1]}, attack="pgd", defense="sap-50"
        ),
        "assault": made_up(cells(), game="Assault"),
    }
    for name, evaluation in made.items():
        (tmp_path / name).write_text(evaluation.to_json())
    return {name: str(tmp_path / name) for name in (*made, "out.json")}


def test_status_says_whether_a_cell_differs(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", files["a"], files["same"]]) == 0
    out = capsys.readouterr().out
    assert "0 of 6 cell(s) on both sides differ beyond noise" in out
    assert "Unpaired (u, Welch): 6 cell(s)" in out
    assert main(["compare", files["a"], files["moved"], "--json", files["out.json"]]) == 1
    out = capsys.readouterr().out
    assert "1 of 6 cell(s) on both sides differ beyond noise; 5 have equal" in out
    assert "Paired by episode: 6 cell(s) over 12 episodes" in out
    line = next(line for line in out.splitlines() if "DIFFERS" in line)
    assert "sap-100" in line
    assert "+80.0" in line
    assert all(len(line) <= 80 for line in out.splitlines())
    assert json.loads(Path(files["out.json"]).read_text())["differs"] is True


def test_against_the_paper(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", files["a"], "--paper"]) == 1
    out = capsys.readouterr().out
    assert "inside our interval in 0, outside in 2 of 2 cell(s)" in out
    assert "+131.7%" in out
    assert "does not state" in " ".join(out.split())
    assert all(len(line) <= 80 for line in out.splitlines())


def test_game(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["game", files["a"], files["pgd"], "--json", files["out.json"]]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "MISSING, not guessed: sap-100 against pgd/original, sap-100 against pgd/own" in out
    assert "neither side sees the other's draw" in out
    plain = json.loads(Path(files["out.json"]).read_text())["contests"][0]
    assert plain["left_out"] == ["sap-100", "sap-50"]
    assert main(["game", files["a"]]) == 0
    out = capsys.readouterr().out
    assert "100% sap-100" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_a_stopping_rule_is_said(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    looked = Path(files["a"]).with_name("looked")
    looked.write_text(made_up(cells(), look_level=0.99).to_json())
    for command in (["compare", "--paper"], ["game"]):
        said = []
        for file in (files["a"], str(looked)):
            main([*command, file])
            said.append(" ".join(capsys.readouterr().out.split()))
        note = SEVERAL_LOOKS if "compare" in command else LOOKED
        assert [note in out for out in said] == [False, True]


def test_bad_input_is_one_line(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    for argv, why in (
        (["compare", files["a"]], "say either A and B, or A and --paper"),
        (["compare", files["a"], files["same"], "--paper"], "say either A and B"),
        (["compare", files["a"], files["assault"]], "no cell in common: game BankHeist against"),
        (["compare", files["a"], "/no/such"], "'/no/such'"),
        (["game", files["a"], "--seed", "x"], "seed: cannot use 'x'"),
        (["compare", files["assault"], "--paper"], ""),
    ):
        status = main(argv)
        err = capsys.readouterr().err
        assert status == (2 if why else 1)
        assert why in err
        assert err.count("\n") == (1 if why else 0)
