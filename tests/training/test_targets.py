"""Targets by hand: 98 and 99 are decoys that only a wrong rule picks up."""

from __future__ import annotations

import pytest
import torch

from sap_rl.training.schedules import linear, warmup
from sap_rl.training.targets import double_q_target, huber_loss, q_target


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


def test_schedules() -> None:
    assert [linear(1.0, 0.0, 4, now) for now in (0, 1, 4, 9)] == [1.0, 0.75, 0.0, 0.0]
    assert linear(1.0, 0.1, 0, 0) == 0.1
    assert [warmup(4, now) for now in (0, 1, 3, 9)] == [0.25, 0.5, 1.0, 1.0]
