"""Make every file that the tests of this folder read, by the code as it is.

Run as `PYTHONPATH=.:tests python -m tests.compat.make [PART]...`, with one thread, and only to add
a kind of file: those that are there are what an earlier version wrote, and that is their use.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sap_rl import Preprocess, load_agent
from sap_rl.agents import find_agent
from sap_rl.cli import main
from sap_rl.evaluation import cell_play
from sap_rl.evaluation.cell_play import CellPlayer, CellProgress
from sap_rl.evaluation.engines import CellDone
from sap_rl.evaluation.store import Store, load_evaluations
from sap_rl.evaluation.sweep import Sweep
from sap_rl.networks.loaders.native import write_native
from sap_rl.networks.nature import nature_network
from sap_rl.options import read_yaml
from sap_rl.sweep_config import sweep_request
from tests.compat import cells, runs
from tests.compat.configs import meaning
from tests.compat.machine import machine

FILES = Path(__file__).parent / "files"
AUDIT = (
    "audit", "--game", "BankHeist", "--defense", "none", "--lambda", "1", "--budget", "quick",
    "--episodes", "1", "--frames", "2", "--max-frames", "40", "--threads", "1", "--quiet",
)  # fmt: skip
INTERRUPTED_AT = 40
"""Batches of the sweep's last cell that were played."""


def write_json(name: str, found: dict[str, Any]) -> None:
    """With the machine that made it."""
    text = json.dumps({"machine": machine(), **found}, indent=1)
    (FILES / name).write_text(text + "\n", encoding="utf-8")


def said(argv: list[str]) -> str:
    """What a command prints; it must succeed."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(argv) == 0
    return out.getvalue()


def seen_by(size: int) -> np.ndarray:
    """Fixed frames [4, 4, size, size]."""
    return np.random.default_rng(0).integers(0, 256, (4, 4, size, size), dtype=np.uint8)


def make_agents() -> None:
    """Tiny weights under the cards of shipped agents: one card as it stands, one written anew."""
    values = {}
    for name, like in (("Trained", "BankHeist"), ("Hardened", "BankHeist-hardened")):
        source, folder = find_agent(like), FILES / "agents" / name
        card = tomllib.loads((source / "agent.toml").read_text(encoding="utf-8"))
        own = ("format", "game", "network", "preprocess", "weights")
        torch.manual_seed(len(name))
        write_native(
            folder, nature_network(18, size=(36, 36)), kind="nature", num_actions=18,
            game="BankHeist", preprocess=Preprocess(height=36, width=36),
            facts={k: v for k, v in card.items() if k not in own},
        )  # fmt: skip
        if name == "Trained":  # its card's table of preprocessing is from before later entries
            sha256 = tomllib.loads((folder / "agent.toml").read_text())["weights"]["sha256"]
            text = (source / "agent.toml").read_text(encoding="utf-8")
            text = text.replace("= 84", "= 36").replace(card["weights"]["sha256"], sha256)
            (folder / "agent.toml").write_text(text, encoding="utf-8")
        for beside in ("curve.csv", "harden.yaml"):
            if (source / beside).exists():
                shutil.copy(source / beside, folder)
        agent = load_agent(folder)
        values[name] = {
            "plain": agent.q_values(seen_by(36)).tolist(),
            "sap-100": agent.defend("sap-100", seed=0).q_values(seen_by(36)).tolist(),
        }
    write_json("agents.json", {"values": values})


def make_runs() -> None:
    """Interrupted runs as archives, and the ends of those that went through."""
    for name, run in (("train", runs.train), ("harden", runs.harden)):
        with tempfile.TemporaryDirectory() as made:
            whole, half = Path(made) / "whole", Path(made) / "half"
            run(whole)
            run(half, stop_at=runs.HALFWAY)
            for path in (half / "checkpoints").iterdir():  # the one that is resumed
                if path.name != f"{runs.HALFWAY:06d}":
                    shutil.rmtree(path)
            shutil.make_archive(str(FILES / name), "zip", half)
            run(half, resume=True)
            end, resumed = runs.fingerprint(whole), runs.fingerprint(half)
        assert (end["hashes"], end["progress"]) == (resumed["hashes"], resumed["progress"])
        write_json(f"{name}.json", resumed)


def make_store() -> None:
    """One complete experiment, and one whose last cell was interrupted; then both to their ends."""
    path, whole = FILES / "sweep.sqlite", Path(tempfile.mkdtemp()) / "whole.sqlite"
    path.unlink(missing_ok=True)
    cell_play.TELL_EVERY = 0.0
    experiments = sweep_request(read_yaml(FILES / "sweep.yaml"), {}).experiments
    with Store(path) as store:
        first, second = Sweep(experiments[:1], store), Sweep(experiments[1:], store)
        for sweep in (first, second):
            player = CellPlayer()
            list(sweep.run(_Here(player, store, sweep is second)))
            player.close()
    (FILES / "sweep.csv").unlink(missing_ok=True)
    said(["store", "export", str(path), "--out", str(FILES / "sweep.csv")])
    argv = ["sweep", str(FILES / "sweep.yaml"), "--out", str(whole), "--workers", "1", "--quiet"]
    said(argv)
    kept, ended = load_evaluations(path), load_evaluations(whole)
    write_json(
        "sweep.json",
        {"kept": [cells.rows_of(e) for e in kept], "ended": [cells.rows_of(e) for e in ended]},
    )


class _Here:
    """Plays cells in this process; leaves the attacked one unfinished where it is to."""

    def __init__(self, player: CellPlayer, store: Store, interrupt: bool) -> None:
        self.player, self.store, self.interrupt = player, store, interrupt

    def run(self, draw: Any) -> Any:
        while (task := draw()) is not None:
            for batches, event in enumerate(self.player.play(task, self.store), 1):
                if not isinstance(event, CellProgress):
                    yield CellDone(task, event)
                elif self.interrupt and task.arm.lam and batches == INTERRUPTED_AT:
                    return


def make_audit() -> None:
    """The cells of a tiny audit, and what its games brought."""
    shutil.rmtree(FILES / "audit", ignore_errors=True)
    said([*AUDIT, "--out", str(FILES / "audit")])
    found = {path.stem: json.loads(path.read_text()) for path in (FILES / "audit").iterdir()}
    games = {key: v["cell"]["returns"] for key, v in found.items() if "returns" in v["cell"]}
    write_json("audit.json", {"cells": sorted(found), "returns": games})


def make_main_job() -> None:
    """The main job's object and its table."""
    text = said([*cells.MAIN_JOB, "--quiet", "--json", str(FILES / "main_job.json")])
    (FILES / "main_job.txt").write_text(text, encoding="utf-8")
    write_json("main_job_machine.json", {})


def make_cells() -> None:
    """Golden cells of the core."""
    write_json("cells.json", {game: cells.play(game) for game in cells.GAMES})


def make_configs() -> None:
    """Copies of the YAML files and what they mean."""
    for path in sorted(Path("configs").rglob("*.yaml")):
        target = FILES / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    found = {
        str(path.relative_to(FILES)): meaning(path)
        for path in sorted((FILES / "configs").rglob("*.yaml"))
    }
    (FILES / "configs.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    every = {n.removeprefix("make_"): f for n, f in globals().items() if re.match("make_", n)}
    for part in sys.argv[1:] or every:
        every[part]()
