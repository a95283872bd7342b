"""Agents that were made to deceive, or to withstand: the suite must tell which is which."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sap_rl.agents import Agent
from sap_rl.atari.protocol import Preprocess, Protocol
from sap_rl.audit.checks import ORIGINAL, UNBOUNDED, frame_findings
from sap_rl.audit.frames import FrameResult, measure
from sap_rl.audit.recorded import clean_frames
from sap_rl.audit.suite import BEST_OWN, NOISE, PAPER, Kind, applied
from sap_rl.play.players import Players

SMALL = Preprocess(frames=2, height=12, width=12)
FRAMES = np.random.default_rng(0).integers(64, 192, size=(64, 2, 12, 12), dtype=np.uint8)
MASKED = Kind(random=False, backwards=(), undefended=False)
LAM = 24.0


class Quantised(nn.Module):
    """Values rounded to steps, so that no gradient comes through."""

    def __init__(self, module: nn.Module, step: float) -> None:
        super().__init__()
        self.module, self.step = module, step

    def forward(self, obs: Tensor) -> Tensor:
        return torch.round(self.module(obs) / self.step) * self.step


class Saturated(nn.Module):
    """A head so steep that its softmax-like values are 0 or 1 almost everywhere."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, obs: Tensor) -> Tensor:
        q = self.module(obs)
        # float32 sigmoid reaches 1 - 1e-7 at 16: beyond that its slope is 0.
        return torch.sigmoid(1e4 * (q - q.mean(1, keepdim=True).detach())) + 1e-3 * q.detach()


class Brightness(nn.Module):
    """Acts on mean brightness alone: a budget of L pixels moves it by L / 255, no more."""

    def forward(self, obs: Tensor) -> Tensor:
        bright = 10 * obs.flatten(1).mean(1)
        return torch.stack([bright, 5 - bright], 1)


def agent_of(module: nn.Module) -> Agent:
    return Agent(module, SMALL, "planted", num_actions=4)


@pytest.fixture(scope="module")
def plain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(288, 64), nn.ReLU(), nn.Linear(64, 4))


def stage_1(players: Players, player: str, kind: Kind, frames: np.ndarray) -> list[FrameResult]:
    players.recorded = frames[:16]
    shown = clean_frames(players, player, frames)  # type: ignore[arg-type]
    found = [measure(players, shown, entry, LAM) for entry in applied(kind)]
    return [*found, measure(players, shown, BEST_OWN.against(kind), UNBOUNDED)]


def names(results: list[FrameResult], kind: Kind) -> set[str]:
    player = results[0].player
    return {finding.check for finding in frame_findings(results, {player: kind})}


@pytest.fixture(scope="module")
def quantised(plain: nn.Module) -> list[FrameResult]:
    step = 0.02
    players = Players(agent_of(plain), Protocol(), 0, defended=agent_of(Quantised(plain, step)))
    return stage_1(players, "defended", MASKED, FRAMES)


def by_title(results: list[FrameResult]) -> dict[str, FrameResult]:
    return {result.title: result for result in results if result.lam == LAM}


def test_a_quantised_head_is_flagged(quantised: list[FrameResult]) -> None:
    assert names(quantised, MASKED) >= {
        "zero_gradients",
        "noise_as_strong",
        "transfer_stronger",
        "black_box_stronger",
        "unbounded_survived",
    }


def test_a_quantised_head_is_broken_by_the_suite(quantised: list[FrameResult]) -> None:
    """The paper's attack changes nothing on it; transfer does, and square begins to."""
    here = by_title(quantised)
    assert here[PAPER.against(MASKED).title].flip_rate == 0.0
    assert here[PAPER.against(MASKED).title].idle == 1.0
    assert here["pgd-5 margin original"].flip_rate > 0.9
    assert here["square margin"].mean_margin_lost > 0


def test_a_saturated_head_is_flagged_and_broken(plain: nn.Module) -> None:
    players = Players(agent_of(plain), Protocol(), 0, defended=agent_of(Saturated(plain)))
    results = stage_1(players, "defended", MASKED, FRAMES)
    assert names(results, MASKED) >= {"zero_gradients", "transfer_stronger", "unbounded_survived"}
    here = by_title(results)
    assert here[PAPER.against(MASKED).title].flip_rate < 0.5
    assert max(result.flip_rate for result in here.values()) > 0.9


def test_an_honest_network_is_broken_and_not_flagged(plain: nn.Module) -> None:
    results = stage_1(Players(agent_of(plain), Protocol(), 0), "original", ORIGINAL, FRAMES)
    assert names(results, ORIGINAL) == set()
    here = by_title(results)
    assert here[PAPER.against(ORIGINAL).title].flip_rate > 0.9
    assert here[NOISE.title].flip_rate < 0.5


def test_a_network_robust_by_construction_is_neither_broken_nor_flagged() -> None:
    """Frames as dark or as bright as the budget cannot bridge."""
    frames = FRAMES.copy()
    frames[:32] //= 4
    players = Players(agent_of(Brightness()), Protocol(), 0)
    results = stage_1(players, "original", ORIGINAL, frames)
    assert names(results, ORIGINAL) == set()
    here = by_title(results)
    assert max(result.flip_rate for result in here.values()) == 0.0
    # 24 pixels move each of the two values by 10 * 24 / 255.
    lost = here[PAPER.against(ORIGINAL).title].mean_margin_lost
    assert lost == pytest.approx(2 * 10 * LAM / 255, rel=1e-4)
    (unbounded,) = [result for result in results if result.lam == UNBOUNDED]
    assert unbounded.kept == 0.0


def test_a_frame_result_by_hand() -> None:
    """Four frames, two of which the budget can bridge: flips, margins, values, kept."""
    frames = np.zeros((4, 2, 12, 12), np.uint8)
    for i, level in enumerate((20, 50, 70, 120)):  # 63.75 is where the two actions are equal
        frames[i] = level
    players = Players(agent_of(Brightness()), Protocol(), 0)
    found = measure(
        players, clean_frames(players, "original", frames), PAPER.against(ORIGINAL), LAM
    )
    assert found.first == (False, True, True, False)
    assert (found.flip_rate, found.kept, found.self_flip_rate) == (0.5, 0.5, 0.0)
    assert (found.forward, found.backward, found.idle) == (1.0, 1.0, 0.0)
    # By the clean values: at 50 the actions are worth 5 - 10 * 50 / 255 and 10 * 50 / 255.
    lost = [abs(5 - 20 * level / 255) for level in (50, 70)]
    assert found.value_lost == pytest.approx([0, lost[0], lost[1], 0], abs=1e-5)
    assert found.margin_lost == pytest.approx([2 * 10 * LAM / 255] * 4, rel=1e-4)
