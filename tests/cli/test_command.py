"""The command as people type it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.text import Text
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sap_rl import UsageError
from sap_rl.cli import main
from sap_rl.cli.terminal import say
from sap_rl.reporting.live.tensorboard import TensorBoardWriter
from sap_rl.reporting.tables.evaluation import console
from tests.reporting.made import evaluation

ROOT = Path(__file__).resolve().parents[2]
SHORT = ["eval", "--game", "BankHeist", "--episodes", "2", "--max-frames", "200", "--num-envs", "2"]
FAST = [*SHORT, "--lambda", "4", "--grad-samples", "1"]
TWO_GAMES = ["eval", "--game", "BankHeist", "--lambda", "4", "--episodes", "1", "--max-frames",
             "40", "--defense", "none", "--no-controls"]  # fmt: skip
"""For tests of what goes wrong beside the games."""


def test_the_table_fits_80_columns_and_says_what_matters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*FAST, "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in out, "nothing is cut"
    for text in (
        "random",
        "original",
        "sap-100",
        "noise",
        "+1760.0%",
        "own",
        "One trained network",
    ):
        assert text in out
    assert sum(line.lstrip().startswith("4 ") for line in lines) == 5 + 2


def test_json_and_tensorboard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target, board = tmp_path / "out.json", tmp_path / "tb" / "run"
    assert main([*FAST, "--no-controls", "--json", str(target), "--tensorboard", str(board)]) == 0
    whole = json.loads(target.read_text())
    assert [row["arm"] for row in whole["rows"]] == [
        "original", "defended", "original", "defended", "defended"
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.json"]
    assert whole["config"]["agent_ref"] == "BankHeist"
    assert whole["config"]["code"] == "core 1, loader native 1, defense sap 1, attack fgsm 1"

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(board))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {
        "eval/BankHeist/original/lambda_0/return",
        "eval/BankHeist/defended/lambda_0/return",
        *(
            f"eval/BankHeist/{arm}/lambda_4/{name}"
            for arm in ("original", "defended-own", "defended-original")
            for name in ("return", "flip_rate")
        ),
    }
    scalars = events.Scalars("eval/BankHeist/original/lambda_4/return")
    assert [(s.step, s.value) for s in scalars] == list(enumerate(whole["rows"][2]["returns"]))
    assert events.Tags()["images"] == ["eval/BankHeist/return_lambda"]
    assert "[5/5]" in capsys.readouterr().err


def test_the_table_is_printed_where_results_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, _text: str) -> None:
        raise UsageError(f"cannot write '{path}': no space left")

    monkeypatch.setattr("sap_rl.cli.evaluate.write_atomically", full)
    argv = [*TWO_GAMES, "--json", str(tmp_path / "out.json")]
    assert main([*argv, "--tensorboard", str(tmp_path / "tb")]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("At lambda 4 BankHeist ")
    assert err.endswith("out.json': no space left\n")
    events = EventAccumulator(str(tmp_path / "tb"))
    events.Reload()
    assert events.Tags()["images"], "the board is closed all the same"


def test_what_a_terminal_obeys_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    say("\x1b[2J of\na name\r")
    console().print("\x1b[2J\nof a report", Text("\x9b1m"))
    assert capsys.readouterr().out == ("\\x1b[2J of\\na name\\r\n\\x1b[2J\nof a report \\x9b1m\n")


STOPPED = """
import os, signal, sys
from sap_rl.__main__ import main

module, number = sys.argv[1:]

class Finder:
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), int(number))

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder())
sys.argv[1:] = ["eval", "--game", "BankHeist", "--lambda", "4"]
sys.exit(main())
"""
"""Gets a signal when it comes to load a module."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["sap_rl.cli", "sap_rl.cli.evaluate", "torch"])
def test_a_signal_while_python_loads_ends_it_quietly(module: str, number: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, module, str(int(number))], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "sap-rl: interrupted\n")


def test_a_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = (
        "import os, sys; os.rmdir(os.getcwd()); from sap_rl.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "agents"], cwd=gone, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "sap-rl: the folder that you are in is gone: cd to another\n"


def test_results_are_kept_where_the_table_cannot_be_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_evaluation: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("sap_rl.cli.evaluate.evaluation_report", full)
    target = tmp_path / "out.json"
    assert main([*TWO_GAMES, "--json", str(target)]) == 2
    assert json.loads(target.read_text())["complete"] is True
    assert capsys.readouterr().err.endswith("sap-rl: no space left\n")


@pytest.mark.parametrize("when", ["__call__", "close"])
def test_a_listener_that_fails_takes_no_results_with_it(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = []

    def full(_self: object, event: object) -> None:
        heard.append(event)
        raise OSError("no space left")

    full.__qualname__ = "TensorBoardWriter"
    monkeypatch.setattr(TensorBoardWriter, when, full)
    target = tmp_path / "out.json"
    argv = [*TWO_GAMES, "--json", str(target), "--tensorboard", str(tmp_path / "tb")]
    assert main(argv) == 1
    out, err = capsys.readouterr()
    assert json.loads(target.read_text())["complete"] is True
    assert out.startswith("At lambda 4 BankHeist ")
    assert err.endswith(
        "TensorBoardWriter failed: OSError: no space left; what was played is whole\n"
    )
    assert len(heard) == 1
    assert "[2/2]" in err, "the bar hears on"


def test_a_reader_who_has_gone_is_no_failure() -> None:
    """As in `sap-rl agents | head -1`, whose status says nothing of a difference."""
    command = [sys.executable, "-m", "sap_rl", "attacks"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        assert run.stderr.read() == b""
    assert run.returncode == 0


def test_flags_go_before_the_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("game: Pong\nlambda: 0\nepisodes: 1\nmax_frames: 80\ndefense: none\n")
    argv = ["eval", "--config", str(config), "--game", "bank_heist", "--no-controls", "--quiet"]
    assert main(argv) == 0
    assert "BankHeist: agent BankHeist" in capsys.readouterr().out


def test_agents_are_listed_with_their_scores(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agents"]) == 0
    out = capsys.readouterr().out
    assert "BankHeist" in out
    assert max(map(len, out.splitlines())) <= 80


def test_what_a_command_reads_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result, config = tmp_path / "r.json", tmp_path / "c.yaml"
    result.write_text(evaluation().to_json())
    config.write_text("game: BankHeist\nlambda: 4\n")
    link = tmp_path / "link"
    link.symlink_to(result)
    for argv in (
        ["report", str(result), "--out", str(result)],
        ["report", str(result), "--out", str(link)],
        ["compare", str(result), str(link), "--json", str(result)],
        ["eval", "--config", str(config), "--json", str(config)],
    ):
        before = result.read_bytes(), config.read_bytes()
        assert main(argv) == 2
        assert "this command reads it, name another" in capsys.readouterr().err
        assert (result.read_bytes(), config.read_bytes()) == before


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["eval", "--game", "BankHiest", "--lambda", "4"], "choose from BankHeist"),
        (["eval", "--game", "Tennis", "--lambda", "4"], "no agent for Tennis is shipped"),
        (["eval", "--game", "BankHeist", "--agent", "BankHist", "--lambda", "4"], "unknown agent"),
        (["eval", "--lambda", "4"], "game is missing"),
        (["eval", "--game", "BankHeist"], "lambda is missing"),
        ([*FAST, "--attack", "mine.py"], "an attack of a file is spelled FILE.py:NAME"),
        ([*FAST, "--agent", "BankHeist", "--format", "sb3"], "leave out the format (--format)"),
        ([*FAST, "--json", "-"], "cannot write to standard output: name a file"),
        ([*FAST, "--episodes", "1" + "0" * 22], "episodes must be at most 1,000,000,000"),
        ([*FAST, "--attack", "fsgm"], "unknown attack 'fsgm'; choose from fgsm"),
        ([*FAST, "--defense", "spa"], "unknown defense 'spa'"),
        ([*SHORT, "--lambda", "-1"], "got -1"),
        ([*SHORT, "--lambda", "nan"], "got nan"),
        ([*SHORT, "--lambda", "inf"], "got inf"),
        ([*SHORT, "--lambda", "0.5", "--observation", "uint8"], "--observation float"),
        ([*SHORT, "--lambda", "4", "--norm", "l3"], "unknown norm 'l3'; choose from l2, linf"),
        (
            [*FAST, "--attack", "apgd", "--norm", "l2"],
            "these do: none, noise, uniform, fgsm",
        ),
        ([*FAST, "--episodes", "0"], "episodes must be at least 1, got 0"),
        ([*FAST, "--seed", "x"], "seed: cannot use 'x'"),
        ([*FAST, "--steps", "5"], "attack 'fgsm' has no option 'steps'"),
        ([*FAST, "--sampler", "exakt"], "unknown sampler 'exakt'; choose from exact"),
        ([*FAST, "--device", "cuda:99"], "device 'cuda:99' cannot be used"),
        ([*FAST, "--device", "gpu"], "device 'gpu' cannot be used"),
        ([*FAST, "--threads", "0"], "threads must be at least 1, got 0"),
        ([*FAST, "--json", "/no/such/folder/x.json"], "cannot write '/no/such/folder/x.json'"),
        ([*FAST, "--json", "x" * 250], "': File name too long"),
        ([*FAST, "--tensorboard", "/proc/no"], "cannot write to '/proc/no'"),
        ([*FAST, "--nonsense"], "unrecognized arguments: --nonsense"),
        (["train", "--gmae", "Pong"], "unrecognized arguments: --gmae; the nearest known: --game"),
        (["film", "--stepz", "3"], "unrecognized arguments: --stepz; the nearest known: --steps"),
        (["agents", "import", "x", "-game", "Pong"], "-game; the nearest known: --game"),
        (["train", "--xyz"], "the following arguments are required: --game"),
        (["evil"], "unknown command 'evil'; choose from eval, "),
        ([], "required"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_corrupt_weights_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped = Path("agents/BankHeist")
    (tmp_path / "mine").mkdir()
    for file in shipped.iterdir():
        (tmp_path / "mine" / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "mine" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100_000])
    assert main([*FAST, "--agent", str(tmp_path / "mine")]) == 2
    err = capsys.readouterr().err
    assert "sha256" in err
    assert err.count("\n") == 1


def test_unwritable_output_is_found_before_anything_is_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sap_rl.play.arm_games.rollout", lambda *_, **__: pytest.fail("played"))
    assert main([*FAST, "--json", str(tmp_path)]) == 2
    assert "it is a folder, name a file" in capsys.readouterr().err


PROGRAM = """
import signal, sys
from sap_rl.cli import main
from sap_rl.evaluation.code_version import code_version
# A shell's background jobs ignore Ctrl-C, and so would this.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_shows_what_was_finished_and_spares_old_files(number: int, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    target.write_text("old")
    argv = [
        "eval",
        "--game",
        "BankHeist",
        "--lambda",
        "4",
        "--episodes",
        "4",
        "--max-frames",
        "800",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *argv, "--json", str(target)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stderr is not None
    lines = [process.stderr.readline() for _ in range(2)]
    assert lines[1].startswith("[2/9] original"), lines
    assert target.read_text() == "old", "nothing is written before the end"
    time.sleep(0.2)
    process.send_signal(number)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "INCOMPLETE" in out
    assert "original" in out
    whole = json.loads(target.read_text())
    assert whole["complete"] is False
    assert [row["complete"] for row in whole["rows"]][:2] == [True, True]
    assert len(whole["rows"]) < 9
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
