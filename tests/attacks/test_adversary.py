"""History, labels and streams of the one who tampers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sap_rl import Adversary, Agent, Threat, UsageError
from sap_rl.attacks import make_attack

K, H, W = 4, 6, 5


def values(obs: Tensor) -> Tensor:
    return obs.flatten(1)[:, :3]


class NaiveWorld:
    """Environments as plain lists of frames, and what a camera attacker's stack must show."""

    def __init__(self, rows: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.clean: list[list[np.ndarray]] = [[] for _ in range(rows)]
        self.shown: list[list[np.ndarray]] = [[] for _ in range(rows)]

    def frame(self) -> np.ndarray:
        return self.rng.integers(256, size=(H, W), dtype=np.uint8)

    def step(self, row: int, first: bool) -> np.ndarray:
        """The clean stack; an episode begins with black frames and a first one."""
        if first:
            black = np.zeros((H, W), np.uint8)
            self.clean[row] = [black] * (K - 1) + [self.frame()]
            self.shown[row] = [black] * (K - 1)
        else:
            self.clean[row].append(self.frame())
        return np.stack(self.clean[row][-K:])


@pytest.mark.parametrize("source", [torch.uint8, torch.float32])
@pytest.mark.parametrize("observation", ["float", "uint8"])
def test_newest_frames_stay_tampered_with(observation: Any, source: torch.dtype) -> None:
    num_envs, world = 5, NaiveWorld(5, seed=4)
    adversary = Adversary(values, make_attack("noise"), Threat(4, "newest", observation), 0)
    began: set[int] = set()
    resumed = partial = 0
    for _ in range(120):
        rows = np.flatnonzero(world.rng.random(num_envs) < 0.7).tolist()
        if not rows:
            continue
        world.rng.shuffle(rows)
        first = [row not in began or bool(world.rng.random() < 0.1) for row in rows]
        stacks = np.stack([world.step(row, new) for row, new in zip(rows, first, strict=True)])
        pixels = torch.from_numpy(stacks).to(source)
        attacked = adversary.perturb(pixels, torch.tensor(first), rows)
        for i, row in enumerate(rows):
            received = attacked.pixels[i].numpy()
            np.testing.assert_array_equal(received[:-1], np.stack(world.shown[row][-(K - 1) :]))
            moved = np.abs(received[-1].astype(float) - stacks[i, -1])
            assert 3.9 < moved.max() < 4.001
            world.shown[row].append(received[-1].copy())
        began |= set(rows)
        partial += len(rows) < num_envs
        resumed += not all(first)
        attacked.pixels.zero_()  # what a caller does with them afterwards is not remembered
    assert partial > 50
    assert resumed > 50


def test_all_frames_start_from_the_clean_stack() -> None:
    world = NaiveWorld(1, seed=0)
    adversary = Adversary(values, make_attack("noise"), Threat(4), 0)
    for step in range(6):
        pixels = torch.from_numpy(world.step(0, step == 0))[None]
        attacked = adversary.perturb(pixels, torch.tensor([step == 0]))
        assert 3.9 < float(attacked.linf) < 4.001


def test_reseeding_forgets_and_repeats() -> None:
    clean = torch.full((1, K, H, W), 100, dtype=torch.uint8)
    adversary = Adversary(values, make_attack("noise"), Threat(4, "newest", "uint8"), 5)
    never = torch.tensor([False])
    first = adversary.perturb(clean, never).pixels
    second = adversary.perturb(clean, never).pixels
    assert torch.equal(second[:, -2], first[:, -1])
    adversary.reseed(5)
    assert torch.equal(adversary.perturb(clean, never).pixels, first)
    adversary.reseed(6)
    other = adversary.perturb(clean, never).pixels
    assert not torch.equal(other, first)
    assert torch.equal(other[:, :-1], clean[:, :-1])


class Counting:
    """A two-action q whose greedy action is 0 on clean frames and 1 on tampered ones."""

    def __init__(self, clean: Tensor) -> None:
        self.clean = clean.flatten(1).sum(1)
        self.rows: list[int] = []

    def __call__(self, obs: Tensor) -> Tensor:
        self.rows.append(len(obs))
        rise = obs.flatten(1).sum(1) - self.clean.repeat(len(obs) // len(self.clean))
        return torch.stack([torch.full_like(rise, 1e-3), rise], 1)


@pytest.mark.parametrize(
    ("name", "options", "rows"),
    [
        ("fgsm", {}, [2]),
        ("fgsm", {"grad_samples": 10}, [20]),
        ("pgd", {"steps": 3, "random_start": False}, [2, 2, 2]),
        ("pgd", {"steps": 3}, [2, 2, 2, 2]),
        ("noise", {}, [2]),
        ("none", {}, [2]),
    ],
)
def test_the_label_is_the_clean_action_and_costs_nothing(
    name: str, options: dict[str, Any], rows: list[int], frames: Tensor
) -> None:
    pixels = frames[:2]
    victim = Counting(pixels / 255)
    attack = make_attack(name, **options)
    attacked = Adversary(victim, attack, Threat(4), 0).perturb(pixels, torch.ones(2).bool())
    assert attacked.label.tolist() == [0, 0]
    assert victim.rows == rows
    if name in ("fgsm", "pgd"):
        assert attacked.flipped.tolist() == [True, True]


def test_the_label_of_a_random_victim_is_its_mean_action(frames: Tensor) -> None:
    votes = iter([[5.0, 0.0]] * 2 + [[0.0, 3.0]] * 4)  # of three passes over two frames

    def victim(obs: Tensor) -> Tensor:
        noise = torch.tensor([next(votes) for _ in obs])
        return noise + 0 * obs.flatten(1).sum(1)[:, None]

    attack = make_attack("fgsm", grad_samples=3)
    attacked = Adversary(victim, attack, Threat(4), 0).perturb(frames[:2], torch.ones(2).bool())
    assert attacked.label.tolist() == [1, 1]


def test_a_victim_of_another_batch_is_refused(frames: Tensor) -> None:
    def victim(obs: Tensor) -> Tensor:
        return obs.flatten(1).sum(1)[:1, None].expand(1, 3)

    adversary = Adversary(victim, make_attack("fgsm"), Threat(4), 0)
    with pytest.raises(UsageError, match=r"must give action values .* \[1, 3\] for 2 frames"):
        adversary.perturb(frames[:2], torch.ones(2).bool())


@pytest.mark.parametrize("observation", ["float", "uint8"])
def test_the_players_masks_are_not_the_attackers(
    observation: Any, agent: Agent, frames: Tensor
) -> None:
    """The player's passes are bit-identical whatever the attacker does in between."""
    looks: list[list[Tensor]] = []
    for grad_samples in (None, 1, 10):
        player = agent.defend("sap-100", seed=0)
        victim = player.reseeded(7)
        assert victim.module is not player.module
        seen = []
        for step in range(3):
            if grad_samples is not None:
                attack = make_attack("fgsm", grad_samples=grad_samples)
                threat = Threat(4, observation=observation)
                adversary = Adversary(victim.q_function, attack, threat, 0)
                adversary.perturb(frames[:2], torch.tensor([step == 0] * 2))
            seen.append(player.q_values(frames[:2]))
        looks.append(seen)
    for other in looks[1:]:
        assert all(torch.equal(a, b) for a, b in zip(looks[0], other, strict=True))
    assert not torch.equal(looks[0][0], looks[0][1])


def test_more_passes_of_a_random_victim_attack_better(agent: Agent, frames: Tensor) -> None:
    victim = agent.defend("sap-100", seed=0)
    frames = frames[:8]
    label = torch.from_numpy(agent.act(frames))
    loss = {}
    for grad_samples in (1, 20):
        attack = make_attack("fgsm", grad_samples=grad_samples)
        source = victim.reseeded(1).q_function
        adv = Adversary(source, attack, Threat(2), 0).perturb(frames, torch.ones(8).bool()).pixels
        loss[grad_samples] = float(nn.functional.cross_entropy(agent.q_values(adv), label))
    assert loss[20] > loss[1]


@pytest.mark.parametrize(
    ("name", "options", "forward", "backward"),
    [
        ("none", {}, 0, 0),
        ("noise", {}, 0, 0),
        ("uniform", {}, 0, 0),
        ("fgsm", {}, 1, 1),
        ("fgsm", {"grad_samples": 5}, 5, 5),
        ("pgd", {"steps": 3}, 4, 3),  # a look at the clean frames, then three gradients
        ("pgd", {"steps": 3, "restarts": 2, "grad_samples": 2}, 2 + 2 * 8, 2 * 6),
        ("apgd", {"steps": 3}, 5, 4),
        ("square", {"steps": 7}, 9, 0),  # clean, stripes, seven queries
        ("square", {"steps": 7, "grad_samples": 3}, 3 * (2 + 2 * 7), 0),
        ("spsa", {"steps": 3, "directions": 4}, 1 + 3 * 4 * 2, 0),
    ],
)
def test_cost_counts_passes_per_frame(
    name: str, options: dict[str, Any], forward: int, backward: int, frames: Tensor
) -> None:
    def q(obs: Tensor) -> Tensor:
        return obs.flatten(1)[:, :3]

    attacked = Adversary(q, make_attack(name, **options), Threat(4), 0).perturb(
        frames[:2], torch.ones(2).bool()
    )
    assert (attacked.cost.forward, attacked.cost.backward) == (forward, backward)


def test_idle_is_the_share_of_pixels_left_where_they_could_move() -> None:
    def half_blind(obs: Tensor) -> Tensor:
        score = obs[:, :, :3].flatten(1).sum(1)  # the upper half of six rows
        return torch.stack([10 - score, score], 1)

    pixels = torch.full((2, K, H, W), 100.0)
    pixels[:, :, 5] = 0.0  # black pixels cannot move both ways and are not counted
    for frames in ("all", "newest"):
        adversary = Adversary(half_blind, make_attack("fgsm"), Threat(4, frames), 0)
        attacked = adversary.perturb(pixels, torch.ones(2).bool())
        assert attacked.idle.tolist() == pytest.approx([2 / 5, 2 / 5])
    noise = Adversary(half_blind, make_attack("noise"), Threat(4), 0)
    assert noise.perturb(pixels, torch.ones(2).bool()).idle.tolist() == [0.0, 0.0]
