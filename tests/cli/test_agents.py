"""`sap-rl agents export` and `check` as people type them."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from sap_rl.agents import shipped_agents
from sap_rl.cli import main
from sap_rl.zoo import publish as export

TINY = """
steps: 320
num_envs: 2
warmup_steps: 100
replay_frames: 2000
update_period: 16
checkpoint_steps: 160
log_updates: 5
eval_steps: 0
"""
CAPS = {"cap_30_minutes": 240, "cap_5_minutes": 120}


def test_export_then_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export, "CAPS", CAPS)
    (tmp_path / "tiny.yaml").write_text(TINY)
    argv = ["train", "--game", "BankHeist", "--config", str(tmp_path / "tiny.yaml"), "--quiet"]
    assert main([*argv, "--out-dir", str(tmp_path / "run"), "--threads", "1"]) == 0
    agents = tmp_path / "agents"
    argv = ["agents", "export", str(tmp_path / "run"), "--out-dir", str(agents)]
    assert main([*argv, "--newest", "2", "--choice-episodes", "2", "--episodes", "3"]) == 0
    out, err = capsys.readouterr()
    assert "checkpoint at 160 steps: return" in err
    assert "chosen: " in err
    assert "other episodes of at most 240 frames" in err
    assert "BankHeist" in out.splitlines()[-1]
    assert all(len(line) <= 80 for line in out.splitlines())

    monkeypatch.setenv("SAP_RL_AGENTS", str(agents))
    check = ["agents", "check", "BankHeist", "--episodes", "3", "--max-frames", "240"]
    assert main(check) == 0
    out = capsys.readouterr().out
    assert "contains 0: passed" in out
    assert "seed 4000000" in out

    card = agents / "BankHeist" / "agent.toml"
    lines = card.read_text().splitlines()
    boasting = ["mean = 900.0" if line.startswith("mean = ") else line for line in lines]
    card.write_text("\n".join(boasting))
    assert main(check) == 1
    out = capsys.readouterr().out
    assert "FAILED" in out
    assert "Likely causes" in out


def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv, message in (
        (["agents", "export", str(tmp_path)], "holds no run"),
        (["agents", "export", str(tmp_path), "--newest", "many"], "newest: cannot use 'many'"),
        (["agents", "check", "BankHeist", "--max-frames", "77"], "stated: 108000, 18000"),
        (["agents", "check", "Nobody"], "unknown agent 'Nobody'"),
        (["agents", "exprt"], "unknown command 'exprt'; choose from export"),
    ):
        assert main(argv) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1


OBEYED = "\x1b]0;x\x07\x1b[2J\u202e\nsap-rl: all is well"
"""What a terminal would obey, and a line that is none of ours."""
CARDS: dict[str, dict[str, Any]] = {
    "controls": {"precision": OBEYED, "training": {"parent": OBEYED, "parent_sha256": OBEYED,
                                                   "parent_steps": OBEYED, "hardware": OBEYED},
                 "score": {"cap_5_minutes": {"mean": OBEYED, "episodes": OBEYED}}},
    "long": {"precision": "x" * 9000, "training": {"hardware": "y" * 9000}},
    "words for numbers": {"score": {"cap_5_minutes": {"mean": "many"}, "cap_30_minutes": 3},
                          "hardening": {"lambda": "strong"}},
    "lists for tables": {"score": [1], "training": [2], "hardening": [3]},
    "beyond numbers": {"score": {"cap_30_minutes": {"mean": 1e308, "episodes": -1}},
                       "training": {"agent_steps": 10**400}, "hardening": {"lambda": 10**400}},
}  # fmt: skip


@pytest.mark.parametrize("kind", CARDS)
def test_whatever_a_card_states_is_shown_in_bounds(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "Made\x1b[2J"
    shutil.copytree(shipped_agents()["BankHeist"], given)
    card = tomllib.loads((given / "agent.toml").read_text())
    (given / "agent.toml").write_text(tomli_w.dumps(card | CARDS[kind]))
    monkeypatch.setenv("SAP_RL_AGENTS", str(tmp_path))
    for argv in (["agents", "show", str(given)], ["agents"]):
        assert main(argv) == 0
        out = "".join(capsys.readouterr())
        assert all(char.isprintable() or char == "\n" for char in out)
        assert "\nsap-rl: all" not in out
        assert len(out) < 6000
