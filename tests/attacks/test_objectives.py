"""Objectives and options, by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from sap_rl import ATTACKS, UsageError
from sap_rl.attacks import make_attack, make_objective
from sap_rl.attacks.objectives import cross_entropy, margin

Q = torch.tensor([[1.0, 2.0, 3.0], [-98.0, 5.0, 4.0]])


def test_cross_entropy_by_hand() -> None:
    found = cross_entropy(Q, torch.tensor([0, 1]))
    first = math.log(math.exp(1) + math.exp(2) + math.exp(3)) - 1
    second = math.log(1 + math.exp(-1))  # the third action, -98, weighs nothing
    torch.testing.assert_close(found, torch.tensor([first, second]))


@pytest.mark.parametrize("temperature", [2, 0.5])
def test_temperature_divides_the_values(temperature: float) -> None:
    found = cross_entropy(Q[:1], torch.tensor([1]), temperature=temperature)
    by_hand = math.log(sum(math.exp(q / temperature) for q in (1, 2, 3))) - 2 / temperature
    torch.testing.assert_close(found, torch.tensor([by_hand]))
    chosen = make_objective("cross-entropy", temperature=temperature)
    assert torch.equal(found, chosen(Q[:1], torch.tensor([1])))


def test_margin_by_hand() -> None:
    assert margin(Q, torch.tensor([2, 1])).tolist() == [-1.0, -1.0]
    assert margin(Q, torch.tensor([0, 0])).tolist() == [2.0, 103.0]


def test_gradients_by_hand() -> None:
    q = Q[:1].clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(margin(q, torch.tensor([0])).sum(), q)
    assert slope.tolist() == [[-1.0, 0.0, 1.0]]
    (slope,) = torch.autograd.grad(cross_entropy(q, torch.tensor([0]), temperature=2).sum(), q)
    p = (Q[0] / 2).softmax(0)
    torch.testing.assert_close(slope, (p - torch.tensor([1.0, 0, 0]))[None] / 2)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("fsgm", {}, "unknown attack 'fsgm'; choose from fgsm, "),
    ("fgsm", {"step": 3}, "attack 'fgsm' has no option 'step'; it takes: grad_samples, objective"),
    ("noise", {"steps": 3}, "attack 'noise' has no option 'steps'; it takes: none"),
    ("fgsm", {"objective": "margn"}, "unknown objective 'margn'; choose from margin, "),
    ("fgsm", {"temperature": 0}, "temperature must be a positive number, got 0"),
    ("fgsm", {"temperature": math.inf}, "temperature must be a positive number, got inf"),
    ("pgd", {"objective": "margin", "temperature": 2}, "objective 'margin' has no temperature"),
    ("pgd", {"steps": 0}, "steps must be at least 1, got 0"),
    ("pgd", {"restarts": 0}, "restarts must be at least 1, got 0"),
    ("pgd", {"grad_samples": 0}, "grad_samples must be at least 1, got 0"),
    ("pgd", {"step_size": 0}, "step_size must be a positive number, got 0"),
    ("pgd", {"step_size": math.nan}, "step_size must be a positive number, got nan"),
    ("pgd", {"momentum": -0.1}, "momentum must be a number of at least 0, got -0.1"),
    ("pgd", {"restarts": 2, "random_start": False}, "2 restarts without a random start"),
]


@pytest.mark.parametrize(("name", "options", "message"), REFUSED)
def test_refused_in_one_line(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        make_attack(name, **options)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_the_registry() -> None:
    assert {"none", "noise", "fgsm", "pgd"} <= set(ATTACKS)
