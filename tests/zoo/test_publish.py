"""From a run to an agent: what is chosen, what is written, what is refused."""

from __future__ import annotations

import csv
import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

from sap_rl import Protocol, UsageError, evaluate, load_agent
from sap_rl.agents import shipped_agents
from sap_rl.training.checkpoint import latest_checkpoint, read_checkpoint
from sap_rl.training.curve import CurveWriter
from sap_rl.training.dqn.run import Training
from sap_rl.training.dqn.settings import TrainSettings
from sap_rl.zoo import publish as module
from sap_rl.zoo.publish import CandidatePlayed, Export, GamePlayed, Scored

SETTINGS = TrainSettings(
    steps=480, num_envs=2, batch_size=4, update_period=16, warmup_steps=60, replay_frames=300,
    checkpoint_steps=160, log_updates=3, eval_steps=0, num_quantiles=3, precision="float32",
)  # fmt: skip
SMALL_CAPS = {"cap_30_minutes": 200, "cap_5_minutes": 100}


def train(folder: Path, settings: TrainSettings = SETTINGS, **options: Any) -> Path:
    training = Training(settings, folder, game="BankHeist", threads=1, **options)
    curve = CurveWriter(folder)
    for event in training.run():
        curve(event)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("run"))


@pytest.fixture(autouse=True)
def _short_games(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAPS", SMALL_CAPS)


def card(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "agent.toml").read_text(encoding="utf-8"))


def test_an_export_from_end_to_end(run: Path, tmp_path: Path) -> None:
    export = Export(run, tmp_path, newest=3, choice_episodes=2, episodes=4)
    events = list(export.run())
    played = [e for e in events if isinstance(e, CandidatePlayed)]
    assert [e.steps for e in played] == [480, 320, 160]  # the last is a snapshot by now
    scored = [e for e in events if isinstance(e, Scored)]
    best = max(played, key=lambda e: e.score).steps
    assert [e.steps for e in scored] == [best, best]
    games = [e for e in events if isinstance(e, GamePlayed)]
    assert games[-1].done == games[-1].total == export.total == 3 * 2 + 2 * 4

    facts = card(tmp_path / "BankHeist")
    training = facts["training"]
    assert training["agent_steps"] == best
    assert training["config"]["checkpoint_steps"] == 160
    assert training["versions"]["torch"] == torch.__version__
    with (run / "curve.csv").open() as file:
        lines = [line for line in csv.DictReader(file) if int(line["steps"]) <= best]
    assert training["updates"] == int(lines[-1]["updates"])
    assert (tmp_path / "BankHeist" / "curve.csv").read_text() == (run / "curve.csv").read_text()
    assert not list(tmp_path.glob(".*"))


def test_the_card_repeats_what_was_measured(run: Path, tmp_path: Path) -> None:
    list(Export(run, tmp_path, newest=1, episodes=4).run())
    agent = load_agent(tmp_path / "BankHeist")
    for name, cap in SMALL_CAPS.items():
        table = agent.facts["score"][name]
        assert table["max_frames"] == cap
        again = evaluate(
            agent, "BankHeist", lam=0, controls=False, episodes=4, seed=table["seed"],
            protocol=Protocol(max_frames=cap),
        )  # fmt: skip
        assert again.rows[0].mean == pytest.approx(table["mean"], abs=0.005)


def test_the_shipped_weights_are_the_checkpoints_rounded_once(run: Path, tmp_path: Path) -> None:
    list(Export(run, tmp_path, newest=1, episodes=2).run())
    last = latest_checkpoint(run / "checkpoints")
    assert last is not None
    kept = read_checkpoint(last).parts["weights"]
    for name, value in load_agent(tmp_path / "BankHeist").module.named_parameters():
        assert value.equal(kept[name].half().float())


def exported(run: Path, out: Path, name: str = "mine") -> dict[str, Any]:
    """The card of an export whose games are the same under both caps."""
    with mock.patch.dict(SMALL_CAPS, cap_30_minutes=SMALL_CAPS["cap_5_minutes"]):
        list(Export(run, out, name=name, newest=1, episodes=2).run())
    return card(out / name)


def test_a_child_of_a_hardened_agent_names_it_even_after_a_resume(tmp_path: Path) -> None:
    """A hardened agent's card states no agent steps: the child's are not all there were."""
    parent = load_agent("BankHeist-hardened")
    run = train(tmp_path / "run", replace(SETTINGS, steps=160), init_from=parent)
    train(run, replace(SETTINGS, steps=320), resume=True)
    facts = exported(run, tmp_path)
    training = facts["training"]
    assert (training["parent"], training["parent_sha256"]) == (parent.name, parent.sha256)
    assert (training["agent_steps"], training["parent_steps"]) == (320, "unknown")
    assert facts["licence"] == {"weights": "as its parent's"}
    child = load_agent(tmp_path / "mine")
    grandchild = train(tmp_path / "run-2", replace(SETTINGS, steps=480), init_from=child)
    training = exported(grandchild, tmp_path, "more")["training"]
    assert (training["parent"], training["parent_sha256"]) == ("mine", child.sha256)
    assert (training["agent_steps"], training["parent_steps"]) == (480, "unknown")


def test_a_child_of_a_trained_agent_states_both_counts(run: Path, tmp_path: Path) -> None:
    exported(run, tmp_path)
    parent = load_agent(tmp_path / "mine")
    facts = exported(train(tmp_path / "run", replace(SETTINGS, steps=640), init_from=parent),
                     tmp_path, "child")  # fmt: skip
    assert facts["training"]["agent_steps"] == 640
    assert facts["training"]["parent_steps"] == 480
    assert facts["licence"] == {"weights": "MIT"}


def test_a_run_from_nothing_and_one_older_than_parentage_name_no_parent(
    run: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    for path in copy.glob("checkpoints/*/state.json"):
        state = json.loads(path.read_text())
        assert state["run"].pop("parent") is None
        path.write_text(json.dumps(state))
    for facts in (exported(run, tmp_path, "new"), exported(copy, tmp_path, "old")):
        assert not [name for name in facts["training"] if "parent" in name]
        assert facts["licence"] == {"weights": "MIT"}
    train(copy, replace(SETTINGS, steps=490), resume=True)


@pytest.mark.parametrize("network", ["quantile", "dueling"])
def test_other_networks_play_alike_after_export(
    network: Any, recorded: np.ndarray, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, network=network, steps=160)
    run = train(tmp_path / "run", settings)
    list(Export(run, tmp_path / "agents", name="mine", newest=1, episodes=2).run())
    agent = load_agent(tmp_path / "agents" / "mine")
    assert card(tmp_path / "agents" / "mine")["network"]["kind"] == (
        "nature" if network == "quantile" else "dueling"
    )
    trainer = Training(replace(settings, steps=320), run, game="BankHeist", resume=True, threads=1)
    raw = trainer.learner.values(torch.from_numpy(recorded.copy()))
    trainer.envs.close()
    # Half precision of the weights; values lie within 0.2.
    torch.testing.assert_close(agent.q_values(recorded), raw, rtol=0, atol=1e-3)


def test_an_agent_gives_way_only_when_asked_and_only_to_a_whole_one(
    run: Path, tmp_path: Path
) -> None:
    list(Export(run, tmp_path, newest=1, episodes=2).run())
    before = card(tmp_path / "BankHeist")
    with pytest.raises(UsageError, match="is there already"):
        Export(run, tmp_path)
    games = Export(run, tmp_path, newest=1, episodes=3, replace=True).run()
    next(games)
    games.close()  # type: ignore[attr-defined]
    assert card(tmp_path / "BankHeist") == before
    assert not list(tmp_path.glob(".*"))
    list(Export(run, tmp_path, newest=1, episodes=3, replace=True).run())
    assert card(tmp_path / "BankHeist")["score"]["cap_30_minutes"]["episodes"] == 3


def test_refusals(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        Export(tmp_path, tmp_path)
    with pytest.raises(UsageError, match="newest must be at least 1, got 0"):
        Export(run, tmp_path, newest=0)
    with pytest.raises(UsageError, match="episodes must be at least 2, got 1"):
        Export(run, tmp_path, episodes=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        Export(run, tmp_path / "file")


@pytest.mark.parametrize("name", [".", "..", "a/b", "/tmp", ".hidden", ""])
def test_a_name_is_one_folder_below_the_agents(run: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="plain folder name"):
        Export(run, tmp_path, name=name, replace=True)


def test_only_agents_are_replaced(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="no agent's folder"):
        Export(run, tmp_path, name="mine", replace=True)
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_a_failed_replacement_puts_the_old_agent_back(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(Export(run, tmp_path, newest=1, episodes=2).run())
    before = card(tmp_path / "BankHeist")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.endswith(".export"):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(UsageError, match="No space left"):
        list(Export(run, tmp_path, newest=1, episodes=3, replace=True).run())
    assert card(tmp_path / "BankHeist") == before


def test_a_checkpoint_that_a_kill_left_half_cleared_is_passed_over(
    run: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    half = copy / "checkpoints" / "000002"
    (half / "weights.safetensors").rename(copy / "snapshots" / "0000000320.safetensors")
    (copy / "snapshots" / "best.safetensors").write_bytes(b"")
    candidates = Export(copy, tmp_path / "agents", newest=9).candidates
    assert [candidate.steps for candidate in candidates] == [480, 320, 160]


def test_an_unfinished_export_is_no_agent(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAP_RL_AGENTS", str(tmp_path))
    games = Export(run, tmp_path, name="mine", newest=1, episodes=2).run()
    next(games)
    assert list(tmp_path.glob(".mine.export/agent.toml"))
    assert not [name for name in shipped_agents() if "mine" in name]
    games.close()  # type: ignore[attr-defined]
