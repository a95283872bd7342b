"""`sap-rl certify` as people type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sap_rl import Preprocess
from sap_rl.cli import main
from sap_rl.networks.loaders.native import write_native
from sap_rl.networks.nature import nature_network
from tests.certification.little import record_little


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An agent of random weights whose frames are small."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nature_network(18, size=(36, 36))
    write_native(
        tmp_path / "Small", module, kind="nature", num_actions=18, game="BankHeist",
        preprocess=Preprocess(height=36, width=36), facts={},
    )  # fmt: skip
    return tmp_path / "Small"


def test_the_table_and_the_json(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sap_rl.certification.frames.BISECTIONS", 1)
    record_little(monkeypatch, games=4)
    target = tmp_path / "certificate.json"
    argv = ["certify", "--game", "bank_heist", "--agent", str(folder), "--lambda", "0.1",
            "--attack-frames", "32", "--steps", "2", "--json", str(target),
            "--plot", str(tmp_path / "radius.png")]  # fmt: skip
    assert main(argv) == 0
    text = capsys.readouterr().out
    assert text.startswith("At lambda 0.1 no attack whatever can change")
    assert max(map(len, text.splitlines())) <= 80
    saved = json.loads(target.read_text())
    assert [row["lam"] for row in saved["rows"]] == [0.1, 0.1]
    assert saved["agent"]["name"] == "Small"
    assert (tmp_path / "radius.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--lambda", "0"], "lambda must lie above 0 and up to 255, got 0"),
        (["--lambda", "x"], "lambda: cannot use ['x']"),
        (["--attack-frames", "1"], "attack_frames must be at least 32, got 1"),
        (["--agent", "BankHist"], "unknown agent 'BankHist'"),
        (["--plot", "radius.gif"], "a figure is a pdf, png, svg file, got 'radius.gif'"),
        (["--json", "/no/such/folder/x.json"], "cannot write '/no/such/folder/x.json'"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["certify", "--game", "BankHeist", *more]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
