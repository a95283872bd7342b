"""`sap-rl train` as people type it."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sap_rl.cli import main

TINY = """
steps: 640
num_envs: 4
warmup_steps: 100
replay_frames: 2000
epsilon_steps: 200
update_period: 16
checkpoint_steps: 320
log_updates: 5
eval_steps: 0
save_replay: true
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return str(path)


def test_a_run_leaves_curve_checkpoints_and_tensorboard(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, board = tmp_path / "run", tmp_path / "tb"
    argv = ["train", "--game", "bank_heist", "--config", config, "--out-dir", str(out)]
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert main([*argv, "--tensorboard", str(board)]) == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    err = capsys.readouterr().err
    assert "BankHeist: 0 of 640 steps" in err
    assert "checkpoint" in err
    with (out / "curve.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert lines
    assert int(lines[-1]["steps"]) <= 640
    assert any((out / "checkpoints").iterdir())

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(board))
    events.Reload()
    assert {"train/loss", "train/learning_rate", "rollout/exploration_rate", "time/fps"} <= set(
        events.Tags()["scalars"]
    )
    assert main([*argv, "--resume"]) == 2
    assert "640 are made already" in capsys.readouterr().err
    assert main([*argv, "--resume", "--agent-steps", "960"]) == 0
    assert "640 of 960 steps" in capsys.readouterr().err


def test_ctrl_c_saves_and_resume_goes_on(tmp_path: Path, config: str) -> None:
    out = tmp_path / "run"
    argv = ["train", "--game", "BankHeist", "--config", config, "--out-dir", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; from sap_rl.cli import main; sys.exit(main())", *argv,
         "--agent-steps", "1e6"],
        stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stderr is not None
    assert "0 of 1,000,000 steps" in process.stderr.readline()
    assert "checkpoint" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    saved = sorted(path.name for path in (out / "checkpoints").iterdir())
    assert saved
    argv += ["--resume", "--agent-steps", "1e6", "--quiet"]
    assert main([*argv, "--seed", "1"]) == 2, "other run"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--game", "BankHiest"], "choose from BankHeist"),
        (["--game", "BankHeist", "--agent-steps", "many"], "agent_steps: cannot use 'many'"),
        (["--game", "BankHeist", "--agent-steps", "0"], "agent_steps must be at least 1, got 0"),
        (["--game", "BankHeist", "--init-from", "Nobody"], "unknown agent 'Nobody'"),
        (["--game", "BankHeist", "--resume", "--init-from", "BankHeist"], "not allowed with"),
        (["--game", "BankHeist", "--config", "/no/such.yaml"], "'/no/such.yaml' cannot be read"),
        ([], "--game"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    argv: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *argv, "--out-dir", str(tmp_path / "run")]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
