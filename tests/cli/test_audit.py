"""`sap-rl audit` as people type it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sap_rl.audit import learned
from sap_rl.audit.ended import CellEnded
from sap_rl.audit.run import Audit
from sap_rl.cli import main
from sap_rl.errors import UsageError
from sap_rl.store.store import Store

TINY = ["audit", "--game", "BankHeist", "--defense", "none", "--lambda", "1", "--effort", "quick",
        "--episodes", "1", "--attack-frames", "2", "--max-frames", "40"]  # fmt: skip


def test_the_card_the_json_and_the_cells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, target = tmp_path / "cells", tmp_path / "card.json"
    argv = [*TINY, "--out-dir", str(out), "--json", str(target)]
    assert main(argv) == 0
    card, lines = capsys.readouterr()
    assert max(map(len, card.splitlines())) <= 80
    assert card.startswith("At lambda 1 the strongest attack leaves BankHeist ")
    assert "\nBankHeist: audit of agent BankHeist, effort quick: 2 recorded frames" in card
    assert "[1] frames: original, fgsm cross-entropy original, lambda 1" in lines
    assert json.loads(target.read_text())["complete"] is True
    on_frames = [path for path in out.iterdir() if path.suffix == ".json"]
    assert len(on_frames) == lines.count("] frames: ") + lines.count("] certified: ")
    assert "] certified: original, lambda 1: 0 of 2 actions, " in lines
    (proven,) = json.loads(target.read_text())["certified"]
    assert proven == {"player": "original", "lambda": 1.0, "frames": 2, "certified": 0}
    assert "At lambda 1 no attack whatever can change 0% of original's actions" in card
    with Store(out / "audit.sqlite", make=False) as store:
        assert list(store.cell_keys().values()) == [True] * lines.count("] games: ")
    assert main([*argv, "--quiet"]) == 0
    again = capsys.readouterr()
    assert again.err == ""
    assert again.out == card


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--effort", "quik"], "unknown effort 'quik'; choose from quick"),
        (["--lambda", "1", "4"], "effort quick has one lambda, got 1, 4"),
        (["--lambda", "0"], "lambda 0 is always played"),
        (["--lambda", "nan"], "got nan"),
        (["--defense", "spa"], "unknown defense 'spa'"),
        (["--attack-frames", "0"], "attack_frames must be at least 1, got 0"),
        (["--attack-frames", "x"], "attack_frames: cannot use 'x'"),
        (["--episodes", "0"], "episodes must be at least 1, got 0"),
        (["--agent", "BankHist"], "unknown agent 'BankHist'"),
        (["--json", "/no/such/folder/x.json"], "cannot write '/no/such/folder/x.json'"),
        (["--out-dir", "/proc/no"], "cannot write to '/proc/no'"),
        (["--game", "BankHiest"], "choose from BankHeist"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TINY, *more]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "command", [TINY, ["harden", "--game", "bank_heist"]], ids=["audit", "harden"]
)
def test_what_a_file_does_not_say_is_passed_on(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: dict[str, object] = {}

    def load(ref: str, **loading: object) -> None:
        told.update(loading, ref=ref)
        raise UsageError("far enough")

    monkeypatch.setattr(f"sap_rl.cli.{command[0]}.load_agent", load)
    given = ["--agent", "x.pth", "--format", "crop", "--preprocess", "grey=first"]
    assert main([*command, *given]) == 2
    assert "far enough" in capsys.readouterr().err
    assert told == {
        "ref": "x.pth", "device": "cpu", "format": "crop", "preprocess": {"grey": "first"},
        "game": "BankHeist",
    }  # fmt: skip


def test_an_attacker_learns_first_and_then_joins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    short = {"n_steps": 4, "batch_size": 16}
    monkeypatch.setattr(learned, "ROLLOUT", 4)
    monkeypatch.setattr(learned, "PPO_OPTIONS", learned.PPO_OPTIONS | short)
    joined: list[str] = []

    def run(self: Audit) -> Iterator[CellEnded]:
        joined.extend(entry.title for entry in self.outside)
        yield from ()

    monkeypatch.setattr(Audit, "run", run)
    assert main([*TINY, "--out-dir", str(tmp_path), "--learned", "--minutes", "0.0001"]) == 0
    (file,) = tmp_path.glob("learned-*-1.safetensors")
    assert "[1] learning: 32 steps, " in capsys.readouterr().err
    own, transferred = joined
    assert own.startswith(f"learned:{file.name}@")
    assert transferred == own.removesuffix(" x2") + " original"
