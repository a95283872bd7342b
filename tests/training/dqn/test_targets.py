"""Targets by hand: 98 and 99 are decoys that only a wrong rule picks up."""

from __future__ import annotations

import pytest
import torch

from sap_rl.training.dqn.schedules import linear, warmup
from sap_rl.training.dqn.targets import (
    double_q_target,
    huber_loss,
    q_target,
    quantile_huber_loss,
)


def test_double_takes_the_selectors_choice_not_the_maximum() -> None:
    value = torch.tensor([[99.0, 10.0, -98.0], [99.0, 98.0, 20.0]])
    selector = torch.tensor([[0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
    target = double_q_target(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.0]), value, selector)
    assert target.tolist() == [6.0, 2.0]


def test_dqn_takes_the_maximum_whatever_the_selector_says() -> None:
    value = torch.tensor([[1.0, 10.0, 2.0]])
    selector = torch.tensor([[99.0, 0.0, 98.0]])
    target = q_target(torch.tensor([1.0]), torch.tensor([0.5]), value, selector)
    assert target.tolist() == [6.0]


def test_huber_by_hand_and_no_gradient_to_the_target() -> None:
    q = torch.tensor([[0.0, 99.0], [99.0, 3.0]], requires_grad=True)
    target = torch.tensor([0.5, 0.0], requires_grad=True)
    loss = huber_loss(q, torch.tensor([0, 1]), target)
    assert loss.item() == pytest.approx((0.5 * 0.25 + (3.0 - 0.5)) / 2)
    loss.backward()
    assert target.grad is None
    assert q.grad is not None
    assert q.grad.tolist() == [[-0.25, 0.0], [0.0, 0.5]]


def test_quantile_targets_bootstrap_from_the_quantiles_of_the_chosen_action() -> None:
    value = torch.tensor([[[99.0, -98.0], [1.0, 3.0], [98.0, -99.0]]])  # means 0.5, 2, -0.5
    selector = torch.tensor([[[0.0, 99.0], [-98.0, 98.0], [60.0, 61.0]]])  # means 49.5, 0, 60.5
    reward, discount = torch.tensor([1.0]), torch.tensor([0.5])
    assert q_target(reward, discount, value, selector).tolist() == [[1.5, 2.5]]
    assert double_q_target(reward, discount, value, selector).tolist() == [[50.0, -48.5]]


def test_quantile_huber_by_hand() -> None:
    """Two quantiles at levels 1/4 and 3/4; errors within 1 are squared, beyond it linear."""
    q = torch.tensor([[[99.0, 98.0], [0.0, 2.0]]], requires_grad=True)
    target = torch.tensor([[0.5, 4.0]], requires_grad=True)
    loss = quantile_huber_loss(q, torch.tensor([1]), target)
    low = 0.25 * (0.5 * 0.25) + 0.25 * (4.0 - 0.5)  # from 0: errors 0.5, 4
    high = 0.25 * (1.5 - 0.5) + 0.75 * (2.0 - 0.5)  # from 2: errors -1.5, 2
    assert loss.item() == pytest.approx(low / 2 + high / 2)
    loss.backward()
    assert target.grad is None
    assert q.grad is not None
    slopes = [-(0.25 * 0.5 + 0.25) / 2, (0.25 - 0.75) / 2]
    assert q.grad.tolist() == [[[0.0, 0.0], slopes]]


def test_quantile_regression_finds_the_quantiles() -> None:
    """Of a uniform target on 0..1 the minimiser lies near the levels (Huber pulls to the mean)."""
    q = torch.full((1, 1, 4), 5.0, requires_grad=True)
    optimizer = torch.optim.SGD([q], lr=0.2)
    target = 100 * torch.linspace(0, 1, 400).unsqueeze(0)
    for _ in range(6000):
        optimizer.zero_grad()
        quantile_huber_loss(q, torch.tensor([0]), target).backward()
        optimizer.step()
    # 100 times the threshold of the Huber loss: nearly the absolute error.
    assert q.flatten().tolist() == pytest.approx([12.5, 37.5, 62.5, 87.5], abs=1.0)


def test_schedules() -> None:
    assert [linear(1.0, 0.0, 4, now) for now in (0, 1, 4, 9)] == [1.0, 0.75, 0.0, 0.0]
    assert linear(1.0, 0.1, 0, 0) == 0.1
    assert [warmup(4, now) for now in (0, 1, 3, 9)] == [0.25, 0.5, 1.0, 1.0]
