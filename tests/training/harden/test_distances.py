"""Distances between student and teacher, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from sap_rl.training.harden.distances import DISTANCES, make_distance

TEACHER = torch.tensor([[1.0, 0.0], [0.0, 2.0]])


@pytest.mark.parametrize("name", DISTANCES)
def test_nothing_to_learn_where_the_values_agree(name: str) -> None:
    found = make_distance(name, temperature=0.1, value_weight=0.05)(TEACHER, TEACHER)
    assert found.tolist() == [0.0, 0.0]


def test_policy_is_a_divergence_at_a_temperature() -> None:
    q = torch.tensor([[0.0, 0.0], [0.0, 2.0]])
    found = make_distance("policy", temperature=0.5, value_weight=0.0)(q, TEACHER)
    p = 1 / (1 + math.exp(-2))
    expected = p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p))
    assert found.tolist() == pytest.approx([expected, 0.0], abs=1e-6)


def test_policy_does_not_see_where_the_values_lie_and_the_anchor_does() -> None:
    far = TEACHER + 3.0
    plain = make_distance("policy", temperature=0.1, value_weight=0.0)
    assert plain(far, TEACHER).tolist() == pytest.approx([0.0, 0.0], abs=1e-5)
    anchored = make_distance("policy", temperature=0.1, value_weight=0.5)
    assert anchored(far, TEACHER).tolist() == pytest.approx([1.25, 1.25], abs=1e-5)  # 0.5 * 2.5


def test_value_is_hubers_over_the_temperature() -> None:
    q = torch.tensor([[1.05, 0.0], [0.0, 5.0]])
    found = make_distance("value", temperature=0.1, value_weight=0.0)(q, TEACHER)
    # 0.05^2 / 2 / 0.1 over two actions; 0.1 * (3 - 0.05) / 0.1 over two
    assert found.tolist() == pytest.approx([0.00625, 1.475], abs=1e-6)


def test_margin_asks_for_the_teachers_own_gap_and_no_more() -> None:
    q = torch.tensor([[0.6, 0.4], [9.0, 12.0]])
    found = make_distance("margin", temperature=0.1, value_weight=0.0)(q, TEACHER)
    assert found.tolist() == pytest.approx([8.0, 0.0], abs=1e-5)
