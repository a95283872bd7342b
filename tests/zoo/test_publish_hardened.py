"""From a hardening to an agent: what is written, measured, refused."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sap_rl import Preprocess, Protocol, evaluate, load_agent
from sap_rl.agents import from_checkpoint
from sap_rl.errors import UsageError
from sap_rl.networks.categorical import CategoricalHead, categorical_network
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.settings.options import read_yaml
from sap_rl.training.checkpoint import Progress, write_checkpoint
from sap_rl.training.curve import CurveWriter
from sap_rl.training.events import HardenUpdated
from sap_rl.training.harden.run import Hardening
from sap_rl.training.harden.settings import HardenSettings, harden_settings
from sap_rl.zoo import publish as module
from sap_rl.zoo.candidates import hardened, of_run
from sap_rl.zoo.publish import Export, GamePlayed, write_agent
from tests.certification.little import record_little

SETTINGS = HardenSettings(
    updates=4, num_envs=2, student_envs=1, teacher_frames=40, play_every=2, play_steps=2,
    ring_frames=200, batch_size=8, clean_size=2, eval_updates=0, log_updates=2, lam=2.0,
    learning_rate=1e-2,
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    curve = CurveWriter(folder)
    hardening = Hardening(load_agent("BankHeist"), SETTINGS, folder, game="BankHeist", threads=1)
    for event in hardening.run():
        curve(event)
    torch.save(hardening.agent().module.state_dict(), folder / "student.pt")
    return folder


@pytest.fixture(autouse=True)
def _short_games(monkeypatch: pytest.MonkeyPatch) -> None:
    caps = {"cap_30_minutes": 200, "cap_5_minutes": 100}
    monkeypatch.setattr(module, "CAPS", caps)
    monkeypatch.setattr(module, "FRAMES", 4)
    monkeypatch.setattr("sap_rl.certification.settings.LEAST_FRAMES", 4)
    record_little(monkeypatch, games=2)


def test_the_agent_of_a_run_is_its_student(run: Path) -> None:
    agent = load_agent(write_agent(run))
    assert (agent.name, agent.game) == ("BankHeist-hardened", "BankHeist")
    wanted = torch.load(run / "student.pt", weights_only=True)
    for name, value in agent.module.state_dict().items():
        assert value.equal(wanted[name].half().float()), name
    parent = load_agent("BankHeist")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 4, 84, 84), dtype=np.uint8)
    assert not agent.q_values(pixels).equal(parent.q_values(pixels))
    facts = agent.facts["hardening"]
    assert facts["parent"] == "BankHeist"
    assert facts["parent_sha256"] == parent.sha256
    assert "stops" not in facts
    assert (facts["lambda"], facts["updates"], facts["config"]["learning_rate"]) == (2.0, 4, 0.01)
    assert facts["command"] == (
        "sap-rl harden --game BankHeist --agent BankHeist --config harden.yaml --seed 0 --threads 1"
    )
    options = read_yaml(run / "BankHeist-hardened" / "harden.yaml")
    assert harden_settings(options) == SETTINGS


def test_an_export_measures_clean_and_attacked_play(run: Path, tmp_path: Path) -> None:
    export = Export(run, tmp_path, name="Hard", episodes=3, attacked_episodes=2)
    games = [event for event in export.run() if isinstance(event, GamePlayed)]
    assert games[-1].done == games[-1].total == export.total == 2 * 3 + 2 * 2
    facts = tomllib.loads((tmp_path / "Hard" / "agent.toml").read_text(encoding="utf-8"))
    assert set(facts["score"]) == {"cap_30_minutes", "cap_5_minutes"}
    fgsm, pgd = facts["attacked"]["fgsm"], facts["attacked"]["pgd_20_margin"]
    assert (fgsm["lambda"], fgsm["attack"], fgsm["episodes"]) == (2.0, "fgsm", 2)
    assert "--agent Hard --lambda 2 --attack pgd --steps 20 --objective margin" in pgd["command"]
    assert "--agent Hard --lambda 2 " in facts["certified"]["command"]
    assert facts["certified"]["clean_lambda_2"]["lambda"] == 2
    assert 0 <= facts["certified"]["clean_lambda_2"]["certified"] <= 1
    assert (tmp_path / "Hard" / "curve.csv").read_text().startswith("updates,frames,")
    again = evaluate(
        load_agent(tmp_path / "Hard"), "BankHeist", lam=2.0, episodes=2, controls=False,
        seed=fgsm["seed"], num_envs=2, protocol=Protocol(max_frames=100),
    )  # fmt: skip
    row = again.row("original", 2.0, "own")
    assert row is not None
    assert row.mean == pytest.approx(fgsm["mean"], abs=0.01)
    with pytest.raises(UsageError, match="is there already"):
        Export(run, tmp_path, name="Hard")


def test_a_stop_is_counted_and_an_unfinished_run_is_no_agent(tmp_path: Path) -> None:
    """A stop begins new games where the command would go on, so the card must say it."""
    agent, settings = load_agent("BankHeist"), replace(SETTINGS, log_updates=1)
    hardening = Hardening(agent, settings, tmp_path, game="BankHeist", threads=1)
    for event in hardening.run():
        if isinstance(event, HardenUpdated) and event.updates == 2:
            hardening.request_stop()
    with pytest.raises(UsageError, match=r"has made 2 of 4 updates: finish it with .* --resume"):
        Export(tmp_path, tmp_path / "agents")
    list(Hardening(agent, settings, tmp_path, game="BankHeist", threads=1, resume=True).run())
    assert hardened(tmp_path).tables["hardening"]["stops"] == 1


def test_folders_that_hold_no_hardening(run: Path, tmp_path: Path) -> None:
    assert [candidate.lam for candidate in of_run(run, newest=5)] == [2.0]
    with pytest.raises(UsageError, match="holds no run"):
        of_run(tmp_path, newest=5)
    write_checkpoint(tmp_path / "checkpoints", Progress(number=1), {"game": "Pong"}, {}, None)
    with pytest.raises(UsageError, match="holds no hardening"):
        hardened(tmp_path)


def test_a_hardened_c51_is_exported_with_its_atoms(tmp_path: Path) -> None:
    """Where its atoms lie is a buffer, no parameter."""
    torch.manual_seed(0)
    network = categorical_network(18)
    head = network.head
    assert isinstance(head, CategoricalHead)
    head.support.copy_(torch.linspace(-3.0, 5.0, 51))
    checkpoint = Checkpoint(
        network.eval(), 18, Preprocess(), "Atoms", "BankHeist", "ab", kind="categorical"
    )
    hardening = Hardening(
        from_checkpoint(checkpoint), SETTINGS, tmp_path, game="BankHeist", threads=1
    )
    list(hardening.run())
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 84, 84), dtype=np.uint8)
    wanted = hardening.agent().q_values(pixels)
    assert from_checkpoint(hardened(tmp_path).checkpoint).q_values(pixels).equal(wanted)
    agent = load_agent(write_agent(tmp_path))
    # Half precision of weights and atoms.
    torch.testing.assert_close(agent.q_values(pixels), wanted, rtol=0, atol=0.05)


def test_a_module_of_ones_own_has_no_format(tmp_path: Path) -> None:
    network = load_agent("BankHeist").module
    agent = load_agent(network, game="BankHeist")
    list(Hardening(agent, SETTINGS, tmp_path, game="BankHeist", threads=1).run())
    with pytest.raises(UsageError, match="keep the Agent"):
        write_agent(tmp_path)
