"""`sap-rl sweep` and `sap-rl store` as people type them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sap_rl.cli import main
from sap_rl.errors import UsageError
from sap_rl.store.store import Store, load_evaluations
from sap_rl.sweep import estimate as calibration
from sap_rl.sweep.engines import CellBegan, Draw, EngineEvent, choice
from tests.reporting.made import evaluation
from tests.sweep.test_run import HereEngine

CONFIG = """
game: [BankHeist, Tennis]
missing: skip
lambda: [4]
defense: none
controls: false
episodes: 2
num_envs: 2
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small sweep, played in this process."""
    monkeypatch.setattr(choice, "LocalEngine", lambda path, _workers: HereEngine(Store(path)))
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    return path


def test_a_sweep_its_export_and_its_merge(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, frames = tmp_path / "s.sqlite", ["--max-frames", "120"]
    assert main(["sweep", str(config), "--out", str(store), *frames]) == 0
    table, lines = capsys.readouterr()
    assert lines.splitlines()[:2] == [
        "skipped: there is no agent for Tennis", "2 cells, 0 kept from before",
    ]  # fmt: skip
    assert "[2/2] BankHeist original" in lines
    assert table.startswith("At lambda 4 BankHeist keeps 0 of 20 points under fgsm.")
    assert "\nBankHeist: agent BankHeist, fgsm on all frames" in table
    assert main(["sweep", str(config), "--out", str(store), *frames]) == 0
    again = capsys.readouterr()
    assert again.out == table
    assert "2 cells, 2 kept from before" in again.err
    assert len(load_evaluations(store)) == 1

    assert main(["store", "export", str(store), "--out", str(tmp_path / "x.csv")]) == 0
    assert capsys.readouterr().out == f"4 episodes in {tmp_path / 'x.csv'}\n"
    whole = tmp_path / "whole.sqlite"
    for taken in (2, 0):
        assert main(["store", "merge", str(whole), str(store)]) == 0
        assert capsys.readouterr().out == f"{taken} cells from {store}\n"
    assert load_evaluations(whole) == load_evaluations(store)

    assert main(["store", "list", str(whole)]) == 0
    listed = capsys.readouterr().out.splitlines()
    key, *facts = listed[1].split()
    assert facts == ["BankHeist", "-", "fgsm", "4", "0", "2", "120", "2/2"]
    assert len(listed) == 2
    assert main(["store", "drop", str(whole), "nokey"]) == 2
    assert f"unknown experiment 'nokey'; choose from {key}" in capsys.readouterr().err
    assert main(["store", "drop", str(whole), key]) == 0
    assert capsys.readouterr().out == "1 experiment(s) forgotten; their cells stay\n"
    with pytest.raises(UsageError, match="nothing was played yet"):
        load_evaluations(whole)
    empty = whole.with_suffix(".json")
    empty.write_text(replace(evaluation(), rows=(), changes=()).to_json())
    with pytest.raises(UsageError, match="nothing was played yet"):
        load_evaluations(empty)


class Interrupted(HereEngine):
    """Somebody presses Ctrl-C when a second cell begins."""

    def run(self, draw: Draw) -> Iterator[EngineEvent]:
        for number, event in enumerate(super().run(draw)):
            if number and isinstance(event, CellBegan):
                raise KeyboardInterrupt
            yield event


def test_ctrl_c_keeps_what_was_played_and_says_how_to_go_on(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    store = tmp_path / "s.sqlite"
    monkeypatch.setattr(choice, "LocalEngine", lambda path, _workers: Interrupted(Store(path)))
    argv = ["sweep", str(config), "--out", str(store), "--max-frames", "120", "--quiet"]
    assert main(argv) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "skipped: there is no agent for Tennis\n"
        f"interrupted: 1 of 2 cells are complete and 0 begun in '{store}'; go on with: "
        f"sap-rl sweep {config} --out {store} --max-frames 120 --quiet\n"
    )


def test_a_dry_run_prints_the_cells_and_plays_none(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(calibration, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(calibration, "LENGTH_SECONDS", 0.3)
    store = tmp_path / "s.sqlite"
    argv = ["sweep", str(config), "--out", str(store), "--max-frames", "120", "--workers", "2"]
    assert main([*argv, "--dry-run"]) == 0
    out, _ = capsys.readouterr()
    assert "BankHeist original: 2 episodes, " in out
    assert "BankHeist original, fgsm at lambda 4: 2 episodes, " in out
    assert "2 cells: about " in out
    with Store(store, make=False) as found:
        assert found.cell_keys() == {}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--engine", "rya"], "unknown engine 'rya'; choose from ray"),
        (["--gpus", "1"], "--gpus goes with --engine ray"),
        (["--address", "auto"], "--address goes with --engine ray"),
        (["--workers", "0"], "workers must be at least 1, got 0"),
        (["--until-ci", "wide"], "until-ci must be like 10%"),
        (["--episodes", "0"], "episodes must be at least 1, got 0"),
        (["--out", "/proc/no/x"], "cannot write to '/proc/no'"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    more: list[str], message: str, config: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    argv = ["sweep", str(config), "--out", str(tmp_path / "s"), "--quiet", *more]
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.removeprefix("skipped: there is no agent for Tennis\n").count("\n") == 1


def test_a_store_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv in (
        ["store", "export", str(tmp_path / "no"), "--out", str(tmp_path / "x.csv")],
        ["store", "merge", str(tmp_path / "new"), str(tmp_path / "no")],
    ):
        assert main(argv) == 2
        assert "there is no store" in capsys.readouterr().err
