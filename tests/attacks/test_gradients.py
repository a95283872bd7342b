"""Averaging over a random network's passes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sap_rl import UsageError, load_agent
from sap_rl.attacks import gradients
from sap_rl.attacks.gradients import (
    default_grad_samples,
    input_gradient,
    is_random,
    mean_objective,
    mean_values,
)
from sap_rl.attacks.objectives import cross_entropy, margin

SHAPE = (4, 16, 16)


class NoisyQ:
    """Q(x) = (<w + n, x>, 0) with n ~ N(0, 1) per row: the mean gradient of Q[0] is w."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.weight = torch.from_numpy(self.rng.normal(0, 0.5, SHAPE)).float()
        self.rows: list[int] = []

    def __call__(self, obs: Tensor) -> Tensor:
        self.rows.append(len(obs))
        noise = torch.from_numpy(self.rng.standard_normal(obs.shape, dtype=np.float32))
        score = (obs * (self.weight + noise)).flatten(1).sum(1)
        return torch.stack([score, 0 * score], 1)


@pytest.fixture
def obs() -> Tensor:
    return torch.rand((2, *SHAPE), generator=torch.Generator().manual_seed(2))


def test_the_average_converges_on_the_mean_gradient(obs: Tensor) -> None:
    label = torch.tensor([1, 1])  # margin rises with Q[0]
    wrong, error = {}, {}
    for samples in (1, 16, 256):
        q = NoisyQ()
        found, _ = input_gradient(q, obs, label, margin, grad_samples=samples)
        error[samples] = float((found - q.weight).square().mean().sqrt())
        wrong[samples] = float((found.sign() != q.weight.sign()).float().mean())
    # Noise of 1 / sqrt(samples); 2048 entries give its size within 1.6% (one standard deviation).
    for samples, size in error.items():
        assert size == pytest.approx(samples**-0.5, rel=0.06)
    # P(sign wrong) = atan(noise / 0.5) / pi = 0.352, 0.148, 0.040; standard deviation 0.011.
    assert wrong == pytest.approx({1: 0.352, 16: 0.148, 256: 0.040}, abs=0.04)


@pytest.mark.parametrize("objective", [cross_entropy, margin])
def test_folded_passes_equal_a_loop(
    objective: Callable[[Tensor, Tensor], Tensor],
    monkeypatch: pytest.MonkeyPatch,
    network: nn.Module,
    frames: Tensor,
) -> None:
    unit = frames[:2] / 255
    once, label = input_gradient(network, unit, None, objective)
    folded, folded_label = input_gradient(network, unit, None, objective, grad_samples=5)
    monkeypatch.setattr(gradients, "MAX_ROWS", 1)
    looped, looped_label = input_gradient(network, unit, None, objective, grad_samples=5)
    assert torch.equal(label, folded_label)
    assert torch.equal(label, looped_label)
    # Sums in another order: float32 rounding, measured 2e-7 of the largest entry.
    scale = float(once.abs().max())
    torch.testing.assert_close(folded, once, rtol=0, atol=2e-6 * scale)
    torch.testing.assert_close(looped, once, rtol=0, atol=2e-6 * scale)


@pytest.mark.parametrize(
    ("max_rows", "rows"), [(1024, [14]), (14, [14]), (13, [12, 2]), (5, [4, 4, 4, 2]), (1, [2] * 7)]
)
def test_chunks_change_nothing_but_memory(
    max_rows: int, rows: list[int], monkeypatch: pytest.MonkeyPatch, obs: Tensor
) -> None:
    label = torch.tensor([0, 1])
    whole = input_gradient(NoisyQ(), obs, label, margin, grad_samples=7)[0]
    whole_values = mean_values(NoisyQ(), obs, samples=7)
    monkeypatch.setattr(gradients, "MAX_ROWS", max_rows)
    q = NoisyQ()
    found = input_gradient(q, obs, label, margin, grad_samples=7)[0]
    assert q.rows == rows
    torch.testing.assert_close(found, whole)
    torch.testing.assert_close(mean_values(NoisyQ(), obs, samples=7), whole_values)


def scripted(*per_pass: list[float]) -> Callable[[Tensor], Tensor]:
    """A q whose k-th pass gives per_pass[k] for every frame, whatever the frames are."""
    left = [torch.tensor(values) for values in per_pass]

    def q(obs: Tensor) -> Tensor:
        now = [left.pop(0) for _ in range(len(obs) // 2)]
        return torch.stack(now).repeat_interleave(2, 0) + 0 * obs.flatten(1).sum(1)[:, None]

    return q


def test_the_label_is_the_argmax_of_the_mean(obs: Tensor) -> None:
    looks = ([5.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 3.0, 0.0])  # one vote for 0, yet 1 wins
    _, label = input_gradient(scripted(*looks), obs, None, margin, grad_samples=3)
    assert label.tolist() == [1, 1]
    looks = ([9.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 3.0, 0.0])  # two votes for 1, yet 0 wins
    _, label = input_gradient(scripted(*looks), obs, None, margin, grad_samples=3)
    assert label.tolist() == [0, 0]
    assert mean_values(scripted(*looks), obs, samples=3).tolist() == [[3.0, 2.0, 0.0]] * 2


def test_the_mean_objective_is_not_the_objective_of_the_mean(obs: Tensor) -> None:
    looks = ([4.0, 0.0], [0.0, 2.0])
    label = torch.tensor([0, 1])
    found = mean_objective(
        scripted(*looks), obs, label, lambda q, y: margin(q, y).square(), samples=2
    )
    assert found.tolist() == [10.0, 10.0]  # (16 + 4) / 2, where the mean's margin gives 1


def test_randomness_is_seen(obs: Tensor, network: nn.Module, frames: Tensor) -> None:
    assert is_random(NoisyQ(), obs)
    assert not is_random(network, frames[:2] / 255)
    assert default_grad_samples(NoisyQ(), obs) == 10
    assert default_grad_samples(network, frames[:2] / 255) == 1


def test_an_empty_batch_is_refused_in_one_line(obs: Tensor) -> None:
    with pytest.raises(UsageError, match=r"^there are no frames.*\[0, 4, 16, 16\] is empty$"):
        mean_values(NoisyQ(), obs[:0])
    with pytest.raises(UsageError, match="is empty"):
        input_gradient(NoisyQ(), obs[:0], None, margin)
    agent = load_agent("BankHeist")
    empty = np.zeros((0, 4, 84, 84), np.uint8)
    for player in (agent, agent.defend("sap-100", seed=0)):
        with pytest.raises(UsageError, match="is empty"):
            player.act(empty)


def test_values_without_a_gradient_are_refused(obs: Tensor) -> None:
    def deaf(obs: Tensor) -> Tensor:
        return torch.tensor([[1.0, 0.0]] * len(obs))

    with pytest.raises(UsageError, match="carry no gradient"):
        input_gradient(deaf, obs, None, margin)
