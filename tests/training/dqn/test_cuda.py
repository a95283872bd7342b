"""On a GPU: the same batches, no waiting for the host; skipped where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sap_rl.networks.nature import nature_network
from sap_rl.training.dqn.collect import Collector, Explorer
from sap_rl.training.dqn.learner import Learner
from sap_rl.training.dqn.settings import TrainSettings
from sap_rl.training.events import Finished
from sap_rl.training.replay import Replay
from tests.training.dqn.corridor import Corridor
from tests.training.dqn.small_run import make_training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def filled(device: str) -> Replay:
    replay = Replay(2000, 4, device=device)
    collector = Collector(Corridor(4), replay, life_loss=True)
    explorer = Explorer(2, np.random.default_rng(0))
    collector.reset(0, 0)
    for _ in range(200):
        collector.send(explorer.replace(np.zeros(4, np.int64), 1.0))
        collector.receive()
    return replay


def test_the_replay_holds_its_frames_there_and_samples_the_same() -> None:
    host, there = filled("cpu"), filled("cuda")
    one = host.sample(16, np.random.default_rng(1))
    two = there.sample(16, np.random.default_rng(1))
    assert two.obs_tm1.is_cuda
    assert one.obs_tm1.equal(two.obs_tm1.cpu())
    assert one.obs_t.equal(two.obs_t.cpu())
    assert one.reward_t.equal(two.reward_t)


def test_an_update_never_makes_the_host_wait() -> None:
    replay, rng = filled("cuda"), np.random.default_rng(1)
    learner = Learner(nature_network(2), TrainSettings(), "cuda")
    for _ in range(3):
        learner.update(replay.sample(32, rng))
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            learner.update(replay.sample(32, rng))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert learner.metrics()[0] > 0


def test_a_run(tmp_path: Path) -> None:
    events = list(make_training(tmp_path, device="cuda").run())
    assert isinstance(events[-1], Finished)
    assert events[-1].complete
