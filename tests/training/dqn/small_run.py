"""A training run that takes a second; as a program, one that can be killed at any moment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from sap_rl.training.checkpoint import latest_checkpoint
from sap_rl.training.dqn.run import Training
from sap_rl.training.dqn.settings import TrainSettings
from tests.training.dqn.corridor import Corridor, small_network

SETTINGS = TrainSettings(
    steps=1200, num_envs=4, n_step=2, batch_size=8, update_period=8, warmup_steps=100,
    target_period=10, replay_frames=600, epsilon_steps=600, restart_warmup_steps=80,
    restart_lr_updates=5, checkpoint_steps=300, save_replay=True, log_updates=20, eval_steps=0,
    precision="float32",
)  # fmt: skip


def make_training(folder: Path, settings: TrainSettings = SETTINGS, **options: Any) -> Training:
    return Training(
        settings, folder, game="Pong", seed=3, make_network=small_network,
        make_envs=lambda _game, s: Corridor(s.num_envs, life=7), **options,
    )  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    found = latest_checkpoint(out / "checkpoints")
    for event in make_training(out, resume=found is not None).run():
        sys.stdout.write(f"{type(event).__name__}\n")
        sys.stdout.flush()
