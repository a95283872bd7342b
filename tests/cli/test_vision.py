"""`sap-rl vision` as people type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sap_rl.cli import main
from sap_rl.vision.data import BINARY
from tests.vision.test_data import batches, publish, write_folder

TINY = ["--epochs", "1", "--batch-size", "20", "--crop", "8", "--learning-rate", "0.1"]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder of made-up images in the official form."""
    files = batches(BINARY)
    publish(monkeypatch, BINARY, files)
    write_folder(tmp_path, BINARY, files)
    return str(tmp_path)


def test_train_then_eval(data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    assert main(["vision", "train", "--data", data, "--out-dir", run, *TINY]) == 0
    told = capsys.readouterr()
    assert "epoch 1 of 1: loss" in told.err
    assert "% of 20 test images" in told.out
    assert main(["vision", "train", "--data", data, "--out-dir", run, *TINY, "--resume"]) == 0
    capsys.readouterr()
    report = tmp_path / "found.json"
    asked = ["--lambda", "0", "4", "--images", "20", "--grad-samples", "2", "--policy-samples", "2"]
    argv = ["vision", "eval", "--data", data, "--model", run, *asked, "--json", str(report)]
    assert main(argv) == 0
    told = capsys.readouterr()
    assert "sap-100: fgsm, own gradient" in " ".join(told.out.split())
    assert "20 images; 2 passes per gradient, 2 per prediction" in told.out
    assert "20 of 20 images attacked" in told.err
    found = json.loads(report.read_text())
    assert [row["lam"] for row in found["rows"]] == [0, 4]
    assert main([*argv, "--defense", "none", "--attack", "pgd", "--steps", "2", "--quiet"]) == 0
    told = capsys.readouterr()
    assert (told.err, "no defence: pgd" in " ".join(told.out.split())) == ("", True)
    assert json.loads(report.read_text())["settings"]["attack_options"] == {"steps": 2}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["eval", "--model", "resnet99"], "unknown classifier 'resnet99'"),
        (["eval", "--lambda", "x"], "lambda: cannot use ['x']"),
        (["eval", "--attack", "fsgm"], "unknown attack 'fsgm'; choose from fgsm"),
        (["eval", "--victim", "other"], "unknown victim 'other'; choose from self, original"),
        (["train", "--schedule", "cosine"], "unknown schedule 'cosine'"),
        (["figures", "nois"], "unknown figure 'nois'; choose from noise"),
    ],
)
def test_bad_input_takes_one_line(
    argv: list[str], said: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vision", *argv, "--data", data]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_no_data_says_what_to_type(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vision", "train", "--data", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "fetch cifar-10-binary.tar.gz from https://www.cs.toronto.edu" in err
    assert err.count("\n") == 1
