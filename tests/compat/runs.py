"""A training and a hardening small enough to be kept, and what their ends are recognised by."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

from sap_rl import Agent, Preprocess
from sap_rl.training.checkpoint import latest_checkpoint, read_checkpoint
from sap_rl.training.curve import CurveWriter
from sap_rl.training.dqn.run import Training
from sap_rl.training.dqn.settings import train_settings
from sap_rl.training.events import CheckpointWritten
from sap_rl.training.harden.run import Hardening
from sap_rl.training.harden.settings import harden_settings
from tests.training.dqn.corridor import Corridor, small_network

TRAIN: dict[str, Any] = {
    "steps": 640, "num_envs": 4, "n_step": 2, "batch_size": 8, "update_period": 8,
    "warmup_steps": 80, "target_period": 10, "replay_frames": 200, "epsilon_steps": 300,
    "checkpoint_steps": 160, "save_replay": True, "log_updates": 10, "eval_steps": 0,
    "precision": "float32",
}  # fmt: skip
"""As a YAML would give them; the others take the defaults of their day."""

HARDEN: dict[str, Any] = {
    "lambda": 8.0, "updates": 40, "batch_size": 8, "clean_size": 2, "num_envs": 4,
    "student_envs": 2, "teacher_frames": 40, "play_every": 10, "play_steps": 3, "ring_frames": 80,
    "checkpoint_updates": 10, "log_updates": 10, "eval_updates": 0, "precision": "float32",
}  # fmt: skip

HALFWAY = 2
"""The checkpoint at which the kept runs were interrupted, of four."""


def train(folder: Path, *, resume: bool = False, stop_at: int | None = None) -> None:
    """Train to the end, or to a checkpoint."""
    training = Training(
        train_settings(TRAIN), folder, game="Pong", seed=3, resume=resume, threads=1,
        make_network=small_network, make_envs=lambda _game, s: Corridor(s.num_envs, life=7),
    )  # fmt: skip
    curve = CurveWriter(folder)
    for event in training.run():
        curve(event)
        if isinstance(event, CheckpointWritten) and event.number == stop_at:
            break


def harden(folder: Path, *, resume: bool = False, stop_at: int | None = None) -> None:
    """Harden to the end, or to a checkpoint."""
    teacher = Agent(
        small_network(2, 5), Preprocess(), "Small", game="Pong", num_actions=2, sha256="5"
    )
    hardening = Hardening(
        teacher, harden_settings(HARDEN), folder, game="Pong", seed=3, resume=resume, threads=1,
        make_games=lambda _game, _agent, s: Corridor(s.num_envs),
    )  # fmt: skip
    curve = CurveWriter(folder)
    for event in hardening.run():
        curve(event)
        if isinstance(event, CheckpointWritten) and event.number == stop_at:
            break


def fingerprint(folder: Path) -> dict[str, Any]:
    """Weights, moments and frames of the last checkpoint as hashes; the curve without its times."""
    path = latest_checkpoint(folder / "checkpoints")
    assert path is not None
    saved = read_checkpoint(path)
    assert saved.replay is not None
    parts = {
        f"{part}/{name}": value.float().numpy().tobytes()
        for part, tensors in saved.parts.items()
        for name, value in tensors.items()
    }
    arrays = {f"replay/{name}": value.tobytes() for name, value in saved.replay.items()}
    progress = {k: v for k, v in vars(saved.progress).items() if k not in ("seconds", "sums")}
    hashes = {k: hashlib.sha256(v).hexdigest()[:16] for k, v in sorted((parts | arrays).items())}
    return {"progress": progress, "hashes": hashes, "curve": curve_rows(folder)}


def curve_rows(folder: Path) -> list[dict[str, str]]:
    """Every line but those that mark a resume."""
    with (folder / "curve.csv").open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["event"] != "resume"]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]
