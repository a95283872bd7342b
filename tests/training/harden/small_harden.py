"""A hardening that takes a second; as a program, one that can be killed at any moment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from sap_rl import Agent, Preprocess
from sap_rl.training.checkpoint import latest_checkpoint
from sap_rl.training.harden.run import Hardening
from sap_rl.training.harden.settings import HardenSettings
from tests.training.dqn.corridor import Corridor, small_network

SETTINGS = HardenSettings(
    lam=8.0, updates=60, inner_size=1.25, batch_size=8, clean_size=2, num_envs=4, student_envs=2,
    teacher_frames=80, play_every=10, play_steps=3, ring_frames=200, checkpoint_updates=20,
    log_updates=10, eval_updates=0, precision="float32", keep_checkpoints=3,
)  # fmt: skip


def teacher(seed: int = 5) -> Agent:
    module = small_network(2, seed)
    return Agent(module, Preprocess(), "Small", game="Pong", num_actions=2, sha256=f"{seed}")


def make_hardening(
    folder: Path | None, settings: HardenSettings = SETTINGS, **options: Any
) -> Hardening:
    given: dict[str, Any] = {
        "game": "Pong",
        "seed": 3,
        "make_games": lambda _game, _agent, s: Corridor(s.num_envs),
    }
    agent = options.pop("agent", None) or teacher()
    return Hardening(agent, settings, folder, **given | options)


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    found = latest_checkpoint(out / "checkpoints")
    for event in make_hardening(out, resume=found is not None).run():
        sys.stdout.write(f"{type(event).__name__}\n")
        sys.stdout.flush()
