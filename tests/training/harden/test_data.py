"""Where examples come from: clean frames, the teacher's values of them, two kinds of players."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sap_rl import Agent, Preprocess, make_atari
from sap_rl.attacks.adversary import Adversary
from sap_rl.attacks.noise import make_noise
from sap_rl.attacks.threat import Threat
from sap_rl.corruptions.spelling import Worst
from sap_rl.training.harden.data import DistillationData
from sap_rl.training.harden.run import harden_envs
from tests.training.dqn.corridor import LEFT, RIGHT, Corridor
from tests.training.harden.small_harden import SETTINGS, teacher


class Watched(Corridor):
    """Remembers every observation it showed and every action it was sent."""

    def __init__(self, num_envs: int) -> None:
        super().__init__(num_envs)
        self.shown: set[bytes] = set()
        self.sent: list[np.ndarray] = []

    def reset(self, *, seed: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        obs, info = super().reset(seed=seed)
        self.shown |= {o.tobytes() for o in obs}
        return obs, info

    def send(self, actions: np.ndarray) -> None:
        self.sent.append(actions.copy())
        super().send(actions)

    def recv(self) -> tuple[Any, ...]:
        found = super().recv()
        self.shown |= {o.tobytes() for o in found[0]}
        return found


def disturbed(victim: nn.Module, lam: float = 60.0) -> Adversary:
    return Adversary(victim, make_noise(), Threat(lam), seed=0)


def filled(envs: Any, agent: Agent, steps: int = 60) -> DistillationData:
    examples = DistillationData(envs, agent, SETTINGS)
    examples.reset(0, 0)
    student = teacher(8)
    examples.play(steps, student, disturbed(student.module))
    return examples


def test_every_example_is_a_clean_frame_with_the_teachers_values_of_it() -> None:
    """The student's games are tampered with heavily; nothing of that is stored."""
    envs, agent = Watched(SETTINGS.num_envs), teacher()
    examples = filled(envs, agent)
    rng = np.random.default_rng(0)
    for _ in range(10):
        batch = examples.sample(32, rng)
        assert all(stack.numpy().tobytes() in envs.shown for stack in batch.pixels)
        torch.testing.assert_close(batch.values, agent.q_values(batch.pixels))
    assert examples.ring.written > examples.ring.rows, "the ring went round"
    assert examples.ring._frames.shape[0] <= SETTINGS.ring_frames + 1, "each frame is stored once"


class Mirrored(Corridor):
    """Seen through a camera that swaps left and right."""

    def _spoilt(self, found: tuple[Any, ...]) -> tuple[Any, ...]:
        obs, *rest, info = found
        return (np.flip(obs, -1).copy(), *rest, info | {"clean": obs})

    def reset(self, *, seed: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        obs, info = self._spoilt(super().reset(seed=seed))
        return obs, info

    def recv(self) -> tuple[Any, ...]:
        return self._spoilt(super().recv())


def test_spoilt_frames_have_the_teachers_values_of_the_clean_ones() -> None:
    agent = teacher()
    batch = filled(Mirrored(SETTINGS.num_envs), agent).sample(64, np.random.default_rng(0))
    clean = batch.pixels.flip(-1)
    torch.testing.assert_close(batch.values, agent.q_values(clean))
    assert float((agent.q_values(batch.pixels) - batch.values).abs().max()) > 1e-3


def test_a_student_plays_on_what_the_camera_shows() -> None:
    """Always left from what it sees; the teacher, who would go right, sees the clean frames."""
    agent, seen = teacher(), []

    class Looks(nn.Module):
        def forward(self, obs: Tensor) -> Tensor:
            seen.append(obs.clone())
            return torch.tensor([[1.0, 0.0]]).expand(len(obs), -1)

    examples = DistillationData(Mirrored(SETTINGS.num_envs), agent, SETTINGS)
    examples.reset(0, 0)
    shown = torch.from_numpy(examples.collector.obs[SETTINGS.num_envs - SETTINGS.student_envs :])
    student = replace(teacher(), module=Looks())
    examples.play(1, student, disturbed(agent.module, lam=0.0))
    torch.testing.assert_close(seen[-1] * 255, shown.float())


def test_games_are_seen_through_the_cameras_that_are_asked_for() -> None:
    agent = replace(teacher(), game="BankHeist")
    envs = harden_envs("BankHeist", agent, replace(SETTINGS, corruptions="shift-2"))
    _, info = envs.reset(seed=np.arange(SETTINGS.num_envs))
    assert envs.camera.corruptions == (Worst("shift", 2.0),)
    assert "clean" in info
    envs.close()
    plain = harden_envs("BankHeist", agent, SETTINGS)
    assert "clean" not in plain.reset(seed=np.arange(SETTINGS.num_envs))[1]
    plain.close()


def test_a_swap_of_labels_would_be_seen() -> None:
    """The comparison above can fail: values of tampered frames differ."""
    agent = teacher()
    batch = filled(Corridor(SETTINGS.num_envs), agent).sample(32, np.random.default_rng(0))
    first = torch.ones(32, dtype=torch.bool)
    tampered = disturbed(agent.module).perturb(batch.pixels, first).pixels
    assert float((agent.q_values(tampered) - batch.values).abs().max()) > 1e-2


class Always(nn.Module):
    """Likes one action."""

    def __init__(self, action: int) -> None:
        super().__init__()
        self.action = action

    def forward(self, obs: Tensor) -> Tensor:
        return torch.eye(2)[self.action].expand(len(obs), 2)


def test_the_last_games_are_the_students() -> None:
    envs = Watched(4)
    agent = Agent(Always(LEFT), Preprocess(), "left", num_actions=2)
    examples = DistillationData(envs, agent, replace(SETTINGS, student_envs=3, epsilon=0.0))
    examples.reset(0, 0)
    student = Agent(Always(RIGHT), Preprocess(), "right", num_actions=2)
    examples.play(3, student, disturbed(student.module))
    examples.play(2, None, None)
    rows = [sent.tolist() for sent in envs.sent]
    assert rows == [[LEFT, RIGHT, RIGHT, RIGHT]] * 3 + [[LEFT] * 4] * 2
    assert examples.frames == 4 * 5 - sum(int(k) for k in examples.ring._kind[:20] == 3)


def test_a_state_is_a_classroom() -> None:
    agent = teacher()
    examples = filled(Corridor(SETTINGS.num_envs), agent)
    twin = DistillationData(Corridor(SETTINGS.num_envs), agent, SETTINGS)
    twin.load({name: value.copy() for name, value in examples.state().items()})
    one, two = (r.sample(16, np.random.default_rng(3)) for r in (examples, twin))
    assert one.pixels.equal(two.pixels)
    assert one.values.equal(two.values)


@pytest.mark.parametrize("fill", ["zero", "repeat"])
def test_stacks_begin_as_the_agent_knows_them(fill: Any) -> None:
    """On a real game: every stack in the ring is one that the environment showed."""
    sees = Preprocess(height=42, width=42, fill=fill)
    envs = make_atari("Pong", 4, preprocess=sees)
    module = nn.Sequential(nn.Flatten(), nn.Linear(4 * 42 * 42, 6))
    agent = Agent(module, sees, "Toy", num_actions=6)
    examples = DistillationData(envs, agent, replace(SETTINGS, ring_frames=400))
    examples.reset(0, 0)
    shown = {stack.tobytes() for stack in examples.collector.obs}
    for _ in range(12):
        examples.play(1, None, None)
        shown |= {stack.tobytes() for stack in examples.collector.obs}
    batch = examples.sample(64, np.random.default_rng(0))
    assert all(stack.numpy().tobytes() in shown for stack in batch.pixels)
    envs.close()
