"""`sap-rl harden` as people type it."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sap_rl.cli import main

TINY = """
num_envs: 2
student_envs: 1
teacher_frames: 60
play_every: 4
play_steps: 2
ring_frames: 300
batch_size: 8
clean_size: 2
checkpoint_updates: 8
log_updates: 4
eval_updates: 0
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return str(path)


def test_from_end_to_end(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    argv = ["harden", "--game", "bank_heist", "--config", config, "--updates", "16"]
    assert main([*argv, "--lambda", "2", "--tensorboard", "tb"]) == 0
    out, err = capsys.readouterr()
    assert "BankHeist of BankHeist, hardening at lambda 2: 16 updates" in err
    assert "16 updates: checkpoint" in err
    made = Path("runs/BankHeist-hardened/BankHeist-hardened")
    assert f"--agent {made}" in " ".join(out.split())
    with Path("runs/BankHeist-hardened/curve.csv").open() as file:
        assert [line["updates"] for line in csv.DictReader(file)] == ["4", "8", "12", "16"]

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator("tb")
    events.Reload()
    assert {"harden/loss", "harden/agreement_attacked", "harden/agreement_clean"} <= set(
        events.Tags()["scalars"]
    )
    play = ["eval", "--game", "BankHeist", "--agent", str(made), "--lambda", "2", "--episodes", "2"]
    assert main([*play, "--defense", "none", "--max-frames", "200", "--quiet"]) == 0
    shutil.rmtree(made)
    assert main([*argv, "--lambda", "2", "--resume"]) == 0
    assert (made / "agent.toml").exists(), "what was killed before it was written is written now"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--lambda", "0"], "lambda 0 leaves nothing to harden against"),
        (["--lambda", "x"], "lambda: cannot use 'x'"),
        (["--game", "Pong"], "agent 'BankHeist' plays BankHeist, not Pong"),
        (["--agent", "Nobody"], "Nobody"),
        (["--updates", "5", "--minutes", "5"], "not allowed with"),
        (["--resume"], "nothing to resume"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    given = ["harden", "--game", "BankHeist", "--agent", "BankHeist"]
    given += ["--out-dir", str(tmp_path / "r")]
    assert main([*given, *argv]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_ctrl_c_saves_and_the_run_goes_on(tmp_path: Path, config: str) -> None:
    out = tmp_path / "run"
    argv = ["harden", "--game", "BankHeist", "--config", config, "--out-dir", str(out), "--updates"]
    program = "import sys; from sap_rl.cli import main; sys.exit(main(sys.argv[1:]))"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", program, *argv, "100000"],
        stderr=subprocess.PIPE, text=True, env=environment,
    ) as run:  # fmt: skip
        assert run.stderr is not None
        while "checkpoint" not in run.stderr.readline():
            assert run.poll() is None
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 130
    assert any((out / "checkpoints").iterdir())
