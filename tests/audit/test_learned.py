"""Training an attacker: it finds what costs a planted victim its reward, and goes on from its
file."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sap_rl import Agent, Preprocess, UsageError
from sap_rl.atari.fleet import Fleet
from sap_rl.attacks.learned import admit_learned, directed, read_tensors
from sap_rl.audit import learned
from sap_rl.audit.learned import DirectedGames, file_name, train
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.evaluation.settings import Settings
from tests.play.toy import Counting

SEES = Preprocess(height=8, width=8)
STEPS = 16


class Planted(nn.Module):
    """Three actions of values 0.03, 0.02 and 0.01, each moved by a pixel of its own; 4 pixels can
    make any the best."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, obs: Tensor) -> Tensor:
        return torch.tensor([0.03, 0.02, 0.01]) + obs[:, 0, 1, 1:4] * self.scale


class Paying(Counting):
    """Pays 1 for every action but the last."""

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        obs, reward, *rest = super().step(actions)
        return obs, reward * (actions != 2), *rest

    def _observe(self) -> np.ndarray:
        return np.full((self.num_envs, *SEES.shape), 100, np.uint8)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> EvaluationRun:
    small = {
        "n_steps": STEPS,
        "batch_size": 64,
        "learning_rate": 1e-2,
        "policy_kwargs": {"net_arch": [8, 8]},
    }
    monkeypatch.setattr(learned, "ROLLOUT", STEPS)
    monkeypatch.setattr(learned, "PPO_OPTIONS", learned.PPO_OPTIONS | small)
    agent = Agent(Planted(), SEES, "planted", game="Freeway", sha256="0123456789abcdef")
    run = EvaluationRun(agent, Settings("Freeway", (4.0,)))
    monkeypatch.setattr(run, "fleet", lambda num_envs: Fleet([Paying(num_envs)]))
    return run


def test_it_learns_and_goes_on(run: EvaluationRun, tmp_path: Path) -> None:
    """Rank 2 takes the reward, and nothing else does."""
    path = tmp_path / file_name(run, 4.0)
    assert path.name == "learned-0123456789ab-4.safetensors"
    lessons = train(run, 4.0, path, 1.0)
    first, *_, last = islice(lessons, 8)
    lessons.close()  # type: ignore[attr-defined]
    assert (first.steps, last.steps) == (STEPS * 8, STEPS * 8 * 8)
    assert np.mean(last.returns) < np.mean(first.returns) / 2
    games = DirectedGames(run, 4.0)
    seen = torch.from_numpy(games.reset())
    assert directed(read_tensors(path))(seen).argmax(1).tolist() == [2] * 8
    assert admit_learned(f"learned:{path}").startswith("learned:learned-0123456789ab-4")

    more = train(run, 4.0, path, 1.0)
    lesson = next(more)
    more.close()  # type: ignore[attr-defined]
    assert lesson.steps == last.steps + STEPS * 8
    assert lesson.seconds > last.seconds
    assert np.mean(lesson.returns) < np.mean(first.returns) / 2
    assert list(train(run, 4.0, path, 0.0)) == []


def test_a_file_of_another_victim_is_refused(run: EvaluationRun, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    next(train(run, 4.0, path, 1.0))
    tensors = read_tensors(path)
    assert {"steps", "seconds", "optimizer.0.exp_avg"} <= set(tensors)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="is no learned attacker"):
        next(train(run, 4.0, path, 1.0))


def test_the_director_gets_what_the_victim_loses(run: EvaluationRun) -> None:
    """Rank 0 leaves it all its reward; episodes of other seeds follow those that end."""
    games = DirectedGames(run, 4.0)
    games.reset()
    for rank, reward in ((0, -1), (2, 0), (1, -1)):
        games.step_async(np.full(8, rank))
        _, found, done, infos = games.step_wait()
        assert found.tolist() == [reward] * 8
        assert (len(infos), done.dtype) == (8, np.bool_)
    assert games.begun == 8 + int(games.first.sum()) + len(games.ended) - int(games.first.sum())
    played = games.fleet.groups[0].seeds  # type: ignore[attr-defined]
    assert len(set(played.tolist())) == 8
