"""Bounds: exact where they can be, sound everywhere, refused where there is no rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sap_rl.attacks.pgd import make_pgd
from sap_rl.attacks.threat import Threat
from sap_rl.certification.bounds import worst_margins
from sap_rl.errors import UsageError
from sap_rl.networks.dueling import dueling_network
from sap_rl.networks.nature import nature_network
from sap_rl.networks.precision import half_precision


def frames(count: int = 3, *, seed: int = 0, shape: tuple[int, ...] = (4, 84, 84)) -> Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed))


def seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def test_a_linear_network_has_a_closed_form() -> None:
    module = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 3)))
    obs = 0.3 + 0.4 * frames(5, shape=(1, 3, 4))  # the ball stays inside 0..1
    label, eps = torch.tensor([0, 1, 2, 0, 1]), 0.05
    found = worst_margins(module, obs, label, eps)
    weight, values = module[1].weight.detach(), module(obs).detach()
    for i, at in enumerate(label.tolist()):
        gap = values[i] - values[i, at]
        slack = eps * (weight - weight[at]).abs().sum(1)
        torch.testing.assert_close(found[i].detach(), gap + slack, atol=1e-5, rtol=1e-5)
        assert found[i, at] == 0


def test_frames_cannot_leave_the_screen() -> None:
    """At a pixel that is 0 only half of the ball is there."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False))
    module[1].weight.data = torch.tensor([[0.0], [-1.0]])
    found = worst_margins(module, torch.zeros(1, 1, 1, 1), torch.tensor([0]), 0.1)
    assert found[0, 1].item() == pytest.approx(0.0, abs=1e-7)


def test_without_a_budget_the_bounds_are_the_values() -> None:
    module, obs = seeded(lambda: nature_network(5)), frames()
    label = torch.tensor([4, 0, 2])
    values = module(obs)
    found = worst_margins(module, obs, label, 0.0)
    torch.testing.assert_close(found, values - values.gather(1, label[:, None]))


@pytest.mark.parametrize("half", [False, True])
def test_no_frame_in_the_ball_leaves_the_bounds(half: bool) -> None:
    module: nn.Module = seeded(lambda: nature_network(4))
    obs, label, eps = frames(), torch.tensor([0, 1, 2]), 2 / 255
    found = worst_margins(
        half_precision(module, torch.bfloat16) if half else module, obs, label, eps
    )
    generator = torch.Generator().manual_seed(1)
    attack = make_pgd(steps=5, objective="margin")
    near = [attack(module, obs, Threat(2.0), generator=generator, label=label)]
    near += [obs + eps * (2 * frames(seed=s) - 1) for s in range(2, 6)]
    near += [obs + eps * (2 * frames(seed=s) - 1).sign() for s in range(6, 9)]
    slack = 2e-2 if half else 1e-5  # rounding to 8 bits of mantissa is outside the arithmetic
    for tampered in near:
        values = module(tampered.clamp(0, 1)).detach()
        gaps = values - values.gather(1, label[:, None])
        assert bool((gaps <= found + slack).all())


def test_an_action_is_certain_where_and_only_where_the_margin_says_so() -> None:
    """Q1 - Q0 = x: the action is certain from a distance of eps to 0.5 on."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    module[1].weight.data = torch.tensor([[0.0], [1.0]])
    module[1].bias.data = torch.tensor([0.0, -0.5])
    obs = torch.tensor([0.3, 0.39, 0.41, 0.5, 0.59, 0.61, 0.7]).view(-1, 1, 1, 1)
    label = module(obs).argmax(1)
    others = worst_margins(module, obs, label, 0.1).scatter(1, label[:, None], -torch.inf)
    certain = others.amax(1) < 0
    assert certain.tolist() == [True, True, False, False, False, True, True]


def test_the_bound_can_be_trained() -> None:
    module, obs = seeded(lambda: nature_network(3)), frames()
    worst = worst_margins(module, obs, torch.tensor([0, 1, 2]), 1 / 255)
    gradient = torch.autograd.grad(worst.sum(), list(module.parameters()))
    assert all(bool(torch.isfinite(g).all()) for g in gradient)
    assert gradient[0].abs().sum() > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dueling_network(3), "through|ends in"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Tanh(), nn.Linear(28224, 2)), "through Tanh"),
        (lambda: nn.Sequential(nn.Flatten()), "ends in a Linear"),
        (lambda: nn.Linear(84, 2), "Sequential"),
        (
            lambda: nn.Sequential(
                nn.Conv2d(4, 1, 3, padding=1, padding_mode="circular"), nn.Flatten(),
                nn.Linear(7056, 2),
            ),
            "through Conv2d",
        ),
    ],
)  # fmt: skip
def test_a_layer_without_a_rule_is_named(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        worst_margins(make(), frames(1), torch.tensor([0]), 0.01)


def test_convolutions_as_matrices() -> None:
    """Interval arithmetic written out: |W2| relu-box(|W1| radius) with the convolution as W1."""
    module = seeded(
        lambda: nn.Sequential(
            nn.Conv2d(2, 3, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(27, 2)
        )
    )
    obs, eps = 0.3 + 0.4 * frames(1, shape=(2, 7, 7)), 0.02
    conv, last = module[0], module[3]
    zero = torch.zeros(1, 2, 7, 7)
    matrix = torch.autograd.functional.jacobian(lambda x: conv(x).flatten(), zero).view(27, 98)
    middle = conv(obs).flatten()
    radius = matrix.abs() @ torch.full((98,), eps)
    low, high = (middle - radius).relu(), (middle + radius).relu()
    weight = (last.weight - last.weight[0]).detach()
    wanted = (
        weight.clamp(min=0) @ high + weight.clamp(max=0) @ low + last.bias - last.bias[0]
    )  # fmt: skip
    found = worst_margins(module, obs, torch.tensor([0]), eps)
    torch.testing.assert_close(found[0].detach(), wanted.detach(), atol=1e-5, rtol=1e-5)
