"""Other people's checkpoints on the command line: evaluated, shown, imported, checked."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from sap_rl import load_agent
from sap_rl.cli import main
from sap_rl.networks.loaders.native import write_native
from sap_rl.zoo import publish as importing
from tests.networks.foreign import FOREIGN

CAPS = {"cap_30_minutes": 240, "cap_5_minutes": 120}


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    return FOREIGN["sb3"].write(tmp_path)


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    out, err = capsys.readouterr()
    return out, err


def test_a_zip_is_evaluated_with_one_command(
    zipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.json"
    argv = ["eval", "--agent", str(zipped), "--game", "Pong", "--lambda", "1", "--quiet"]
    short = ["--episodes", "2", "--max-frames", "80", "--grad-samples", "1"]
    assert main([*argv, *short, "--json", str(target)]) == 0
    assert "Pong: agent theirs, fgsm" in lines(capsys)[0]
    whole = json.loads(target.read_text())
    assert whole["protocol"]["preprocess"]["grey"] == "pooled"
    assert whole["config"]["agent_sha256"] == load_agent(zipped).sha256
    assert max(row["linf_max"] or 0 for row in whole["rows"]) == pytest.approx(1)


def test_a_format_of_one_frame_with_its_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = FOREIGN["sa-dqn"].write(tmp_path)
    argv = ["eval", "--agent", str(path), "--game", "Pong", "--lambda", "2", "--defense", "none"]
    assert main([*argv, "--episodes", "1", "--max-frames", "60", "--no-controls", "--quiet"]) == 0
    raw = FOREIGN["tianshou, raw"].write(tmp_path)
    argv[2] = str(raw)
    short = ["--episodes", "1", "--max-frames", "60", "--no-controls", "--quiet"]
    assert main([*argv, *short]) == 2
    assert "--preprocess scale=pixels" in lines(capsys)[1]
    assert main([*argv, *short, "--preprocess", "scale=pixels", "fill=zero"]) == 0
    config = tmp_path / "c.yaml"
    config.write_text(
        f"agent: {raw}\ngame: Pong\nlambda: 2\ndefense: none\nepisodes: 1\nmax-frames: 60\n"
        "format: tianshou\npreprocess:\n  scale: unit\n"
    )
    assert main(["eval", "--config", str(config), "--no-controls", "--quiet"]) == 0


def test_what_an_agent_sees_is_shown(
    zipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agents", "show", str(zipped)]) == 0
    out, _ = lines(capsys)
    assert "theirs: sb3, nature network" in out
    assert "pooled *" in out
    square = FOREIGN["sa-dqn"].write(tmp_path)
    assert main(["agents", "show", str(square), "--game", "Pong"]) == 0
    out, _ = lines(capsys)
    assert "31,-4,168,168 *" in out
    assert "columns_first *" in out
    assert main(["agents", "show", "BankHeist"]) == 0
    out, _ = lines(capsys)
    assert "return 931.0 over 100 episodes" in out
    assert out.count(" *") == 0
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "parent" not in out


def test_an_agents_parent_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parent = load_agent("BankHeist")
    assert main(["agents", "show", "BankHeist-hardened"]) == 0
    out, _ = lines(capsys)
    assert "hardened from BankHeist\n" in out
    assert f"parent's sha256 {parent.sha256}\n" in out
    write_native(
        tmp_path / "child", parent.module, kind="nature", num_actions=18, game="BankHeist",
        preprocess=parent.preprocess,
        facts={"training": {"parent": "old", "parent_sha256": "", "parent_steps": "unknown"}},
    )  # fmt: skip
    assert main(["agents", "show", str(tmp_path / "child")]) == 0
    out, _ = lines(capsys)
    assert "trained on from old, whose agent steps are unknown\n" in out
    assert "parent's sha256 unknown\n" in out


@pytest.mark.parametrize("name", ["sb3", "sa-dqn", "tianshou, raw"])
def test_import_then_play(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importing, "CAPS", CAPS)
    foreign = FOREIGN[name]
    path = foreign.write(tmp_path)
    agents = tmp_path / "agents"
    argv = ["agents", "import", str(path), "--game", "Pong", "--out-dir", str(agents)]
    argv += ["--format", foreign.format, "--episodes", "2"]
    if "preprocess" in foreign.options:
        argv += ["--preprocess", "scale=pixels"]
    assert main(argv) == 0
    out, err = lines(capsys)
    assert "over 2 other episodes of at most 240 frames" in err
    assert out.splitlines()[-1].startswith("Pong")
    card = tomllib.loads((agents / "Pong" / "agent.toml").read_text())
    assert card["source"]["format"] == foreign.format
    assert card["source"]["source"] == path.name
    assert card["score"]["cap_5_minutes"]["episodes"] == 2
    ours = load_agent(agents / "Pong")
    assert ours.preprocess == foreign.sees
    assert ours.sha256 == card["weights"]["sha256"]
    assert main(argv) == 2
    assert "is there already" in lines(capsys)[1]
    assert main([*argv, "--replace"]) == 0


def test_check_against_a_mean(zipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["agents", "check", str(zipped), "--game", "Pong", "--episodes", "2"]
    argv += ["--max-frames", "120"]
    assert main([*argv, "--stated", "0"]) == 0  # a second of Pong: nobody scores
    assert "of 0: passed" in lines(capsys)[0]
    assert main([*argv, "--stated", "20.6"]) == 1
    out, _ = lines(capsys)
    assert "FAILED" in out
    for cause in ("scale=pixels", "order=newest_first", "full_action_space=true", "clipped"):
        assert cause in " ".join(out.split())


def test_what_cannot_be_done_is_one_line(
    zipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out-dir", str(tmp_path / "agents")]
    for argv, message in (
        (["show", "nobody.zip"], "there is no agent's file 'nobody.zip'"),
        (["show", str(zipped), "--format", "sb4"], "unknown format 'sb4'; choose from sb3"),
        (["show", str(zipped), "--preprocess", "scale"], "preprocess is key=value"),
        (["check", str(zipped)], "does not say its game; say it with --game"),
        (["check", str(zipped), "--game", "Breakout"], "has 6 actions, Breakout has 4 or 18"),
        (["check", str(zipped), "--game", "Pong", "--stated", "high"], "stated: cannot use 'high'"),
        (["import", str(zipped), "--game", "Breakout", *out], "has 6 actions but Breakout has 4"),
        (["import", "BankHeist", "--game", "Pong", *out], "is an agent of BankHeist, not Pong"),
        (["import", str(zipped), *out], "required: --game"),
        (["import", str(zipped), "--game", "Pong", "--episodes", "1", *out], "at least 2, got 1"),
    ):
        assert main(["agents", *argv]) == 2, argv
        err = lines(capsys)[1]
        assert message in err
        assert err.count("\n") == 1
    assert not (tmp_path / "agents" / "Breakout").exists()
