"""Which game the zoo's training goes to, and what becomes of a run and of an agent."""

from __future__ import annotations

import importlib.util
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from sap_rl.atari.games import FACTS
from sap_rl.atari.protocol import Preprocess
from sap_rl.networks.loaders.native import write_native
from sap_rl.networks.nature import nature_network
from sap_rl.training import export

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_zoo.py"
TINY = """
steps: 320
num_envs: 4
warmup_steps: 100
replay_frames: 2000
update_period: 16
checkpoint_steps: 320
log_updates: 5
eval_steps: 0
"""
CAPS = {"cap_30_minutes": 600, "cap_5_minutes": 300}


@pytest.fixture(scope="module")
def zoo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_zoo", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["train_zoo"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def write_agent(folder: Path, score: float, steps: int) -> None:
    table = {"mean": score, "sd": 1.0, "episodes": 2, "max_frames": 108_000}
    write_native(
        folder, nature_network(18), kind="nature", num_actions=18, game="BankHeist",
        preprocess=Preprocess(),
        facts={"training": {"agent_steps": steps}, "score": {"cap_30_minutes": table}},
    )  # fmt: skip


def test_the_furthest_below_its_bar_is_chosen(zoo: ModuleType) -> None:
    """Shares of the way from random play: 0.5 of 100, 0.2 of 10 with a negative start, 1.1."""
    half = zoo.Standing("Half", 50, 0, 100)
    fifth = zoo.Standing("Fifth", -6, -8, 2)
    above = zoo.Standing("Above", 22, 0, 20)
    assert [s.way for s in (half, fifth, above)] == pytest.approx([0.5, 0.2, 1.1])
    assert zoo.choose([half, above, fifth], steps=10) is fifth
    assert zoo.choose([above, half], steps=10) is half
    assert zoo.choose([above], steps=10) is above, "where all are above, the lowest goes on"


def test_no_agent_is_random_play_and_the_first_of_equals_goes_first(zoo: ModuleType) -> None:
    none = [zoo.Standing(game, f.random, f.random, f.dqn_2_5m) for game, f in FACTS.items()]
    assert [s.way for s in none] == [0.0] * len(FACTS)
    assert zoo.choose(none, steps=10).game == "Assault"
    worse = zoo.Standing("Worse", -21, -20.7, 6.3)
    assert zoo.choose([*none, worse], steps=10) is worse


def test_games_that_are_trained_out_are_left(zoo: ModuleType) -> None:
    done = zoo.Standing("Done", 0, 0, 100, steps=10)
    going = zoo.Standing("Going", 90, 0, 100, steps=9)
    assert zoo.choose([done, going], steps=10) is going
    assert zoo.choose([done], steps=10) is None


def test_every_bar_lies_above_random_play() -> None:
    assert all(facts.dqn_2_5m > facts.random for facts in FACTS.values())  # type: ignore[operator]
    assert FACTS["BankHeist"].dqn_2_5m == 621.0


def test_a_standing_is_read_from_the_card(zoo: ModuleType, tmp_path: Path) -> None:
    write_agent(tmp_path / "BankHeist", 317.6, 800)
    found = zoo.standing("BankHeist", tmp_path, tmp_path / "runs")
    assert (found.score, found.random, found.bar, found.steps) == (317.6, 14.2, 621.0, 800)
    assert found.way == pytest.approx(0.5)
    assert zoo.standing("Pong", tmp_path, tmp_path / "runs").score == -20.7
    with pytest.raises(zoo.UsageError, match="no bar is known for Tetris"):
        zoo.standing("Tetris", tmp_path, tmp_path / "runs")


@pytest.fixture
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(zoo: ModuleType, folder: Path, *more: str) -> int:
    (folder / "tiny.yaml").write_text(TINY)
    argv = ["--games", "BankHeist", "--runs", str(folder / "runs"), "--threads", "1"]
    argv += ["--agents", str(folder / "agents"), "--config", str(folder / "tiny.yaml")]
    status: int = zoo.main([*argv, "--episodes", "2", "--steps", "320", *more])
    return status


@pytest.mark.usefixtures("signals")
def test_a_run_is_exported_and_only_a_better_agent_stays(
    zoo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(export, "CAPS", CAPS)
    monkeypatch.setattr(zoo, "CAP", 600)
    monkeypatch.setattr(zoo, "game_facts", lambda game: replace(FACTS[game], random=-1.0))
    assert run(zoo, tmp_path) == 0
    err = capsys.readouterr().err
    assert "against -1.0: the agent is replaced" in err
    assert "all games have made 320 steps" in err
    card = tmp_path / "agents" / "BankHeist" / "agent.toml"
    first = card.read_text()

    lines = first.splitlines()
    boast = "\n".join("mean = 9e5" if line.startswith("mean =") else line for line in lines)
    card.write_text(boast)
    assert run(zoo, tmp_path, "--steps", "640") == 0  # the run is resumed: 320 steps more
    err = capsys.readouterr().err
    assert "320 of 640 steps" in err
    assert "the agent stays" in err
    assert card.read_text() == boast
    assert [path.name for path in (tmp_path / "agents").iterdir()] == ["BankHeist"]


@pytest.mark.usefixtures("signals")
def test_without_a_run_its_agent_is_trained_on(
    zoo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(export, "CAPS", CAPS)
    write_agent(tmp_path / "agents" / "BankHeist", 500.0, 160)
    monkeypatch.setattr(zoo.Zoo, "_export", lambda self, before: self.stop())
    assert run(zoo, tmp_path) == 130, "a stop is told by the status"
    assert "BankHeist: 160 of 320 steps" in capsys.readouterr().err
    assert zoo.steps_of(tmp_path / "runs" / "BankHeist") == 320


def test_an_install_that_was_killed_is_put_back(zoo: ModuleType, tmp_path: Path) -> None:
    old, place = tmp_path / ".BankHeist.old", tmp_path / "BankHeist"
    write_agent(old, 5.0, 1)
    zoo.put_back(place)
    assert (place / "agent.toml").is_file()
    new = tmp_path / "new"
    write_agent(new, 6.0, 2)
    zoo.install(new, place)
    assert zoo.standing("BankHeist", tmp_path, tmp_path).steps == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["BankHeist", "new"]


def test_one_process_at_a_time(zoo: ModuleType, tmp_path: Path) -> None:
    with (
        zoo.alone(tmp_path),
        pytest.raises(zoo.UsageError, match="another process trains"),
        zoo.alone(tmp_path),
    ):
        pass
