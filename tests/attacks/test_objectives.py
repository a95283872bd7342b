"""Objectives and options, by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from sap_rl import ATTACKS, Threat, UsageError
from sap_rl.attacks import make_attack
from sap_rl.attacks.gradients import mean_objective, reference
from sap_rl.attacks.objectives import (
    OBJECTIVES,
    FromClean,
    cross_entropy,
    divergence,
    lower_q,
    make_objective,
    margin,
)

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


def test_lower_q_by_hand() -> None:
    assert lower_q(Q, torch.tensor([2, 0])).tolist() == [-3.0, 98.0]


def test_worst_action_is_a_target() -> None:
    """Taken at the clean argmin, it rises with that action's probability."""
    objective = make_objective("worst-action")
    assert isinstance(objective, FromClean)
    target = objective.at(Q)
    assert target.tolist() == [0, 0]
    torch.testing.assert_close(objective(Q, target), Q.log_softmax(1)[:, 0])
    hot = make_objective("worst-action", temperature=4)
    torch.testing.assert_close(hot(Q, target), (Q / 4).log_softmax(1)[:, 0])


def test_divergence_by_hand() -> None:
    clean = torch.tensor([[0.0, 0.0]])
    moved = torch.tensor([[0.0, math.log(3.0)]])  # probabilities 1/4 and 3/4
    by_hand = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    torch.testing.assert_close(divergence(moved, clean), torch.tensor([by_hand]))
    torch.testing.assert_close(divergence(moved * 3, clean, temperature=3), torch.tensor([by_hand]))


def test_mad_is_zero_and_flat_at_the_clean_frame() -> None:
    objective = make_objective("mad")
    assert isinstance(objective, FromClean)
    q = Q.clone().requires_grad_(True)
    value = objective(q, objective.at(Q))
    torch.testing.assert_close(value, torch.zeros(2))
    (slope,) = torch.autograd.grad(value.sum(), q)
    torch.testing.assert_close(slope, torch.zeros_like(Q), rtol=0, atol=1e-6)


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if name != "margin"])
@pytest.mark.parametrize("name", ["pgd", "apgd", "square", "universal"])
def test_every_objective_raises_itself(
    name: str, objective: str, frames: torch.Tensor, network: torch.nn.Module
) -> None:
    """On a network with 18 actions: more than random signs raise it."""
    obs, threat = frames[:4] / 255, Threat(8)
    chosen = make_objective(objective)
    aim = reference(network, obs, None, chosen, samples=1)
    value = {}
    for attack in (make_attack(name, objective=objective, steps=10), make_attack("noise")):
        adv = attack(network, obs, threat, generator=torch.Generator().manual_seed(0))
        value[attack] = float(mean_objective(network, adv, aim, chosen).sum())
    ours, noise = value.values()
    assert ours > noise


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
    ("fgsm", {"objective": "mad"}, "objective 'mad' is flat at the clean frame, where fgsm starts"),
    ("pgd", {"objective": "mad", "random_start": False}, "objective 'mad' is flat at the clean"),
    ("spsa", {"objective": "mad"}, "objective 'mad' is flat at the clean frame, where spsa"),
    ("pgd", {"objective": "lower-q", "temperature": 2}, "objective 'lower-q' has no temperature"),
    ("apgd", {"rho": 1}, "rho must lie between 0 and 1, got 1"),
    ("apgd", {"restarts": 0}, "restarts must be at least 1, got 0"),
    ("square", {"steps": 0}, "steps must be at least 1, got 0"),
    ("square", {"first_share": 0}, "first_share must lie above 0 and be at most 1, got 0"),
    ("spsa", {"directions": 0}, "directions must be at least 1, got 0"),
    ("spsa", {"probe": -1}, "probe must be a positive number, got -1"),
    ("universal", {"momentum": math.nan}, "momentum must be a number of at least 0, got nan"),
    ("uniform", {"steps": 3}, "attack 'uniform' has no option 'steps'; it takes: none"),
]


@pytest.mark.parametrize(("name", "options", "message"), REFUSED)
def test_refused_in_one_line(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        make_attack(name, **options)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_the_registry() -> None:
    assert list(ATTACKS) == [
        "none", "noise", "uniform", "fgsm", "pgd", "apgd", "square", "spsa", "universal",
        "lookahead",
    ]  # fmt: skip
