"""The attacks against answers known in closed form or from a naive loop."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from sap_rl import Threat
from sap_rl.attacks import make_attack
from sap_rl.attacks.objectives import margin
from sap_rl.attacks.pgd import Steps, pgd

CLIMBERS = {
    "fgsm": make_attack("fgsm"),
    "fgsm-margin": make_attack("fgsm", objective="margin"),
    "fgsm-hot": make_attack("fgsm", temperature=5),
    "fgsm-10-passes": make_attack("fgsm", grad_samples=10),
    "pgd": make_attack("pgd"),
    "pgd-margin": make_attack("pgd", objective="margin"),
    "pgd-2": make_attack("pgd", steps=2, random_start=False),
    "pgd-momentum": make_attack("pgd", momentum=1),
    "pgd-restarts": make_attack("pgd", restarts=3),
    "pgd-big-steps": make_attack("pgd", step_size=255),
}


def optimum(obs: Tensor, weight: Tensor, threat: Threat) -> Tensor:
    step = threat.eps * weight.sign().expand_as(obs).clone()
    if threat.frames == "newest":
        step[:, :-1] = 0
    return (obs + step).clamp(0, 1)


@pytest.mark.parametrize("frames", ["all", "newest"])
@pytest.mark.parametrize("lam", [0, 1, 4.0, 255])
@pytest.mark.parametrize("attack", CLIMBERS.values(), ids=CLIMBERS)
def test_best_attack_on_a_linear_q(
    attack: Any, lam: float, frames: Any, linear: Any, unit: Tensor, generator: torch.Generator
) -> None:
    q, threat = linear(), Threat(lam, frames)
    adv = attack(q, unit, threat, generator=generator)
    # Where the weight is zero there is no best attack, and a random start stays where it fell.
    free = (q.weight != 0).expand_as(unit)
    expected = optimum(unit, q.weight, threat)
    assert torch.equal(adv[free], expected[free])


@pytest.mark.parametrize("objective", ["cross-entropy", "margin"])
def test_the_label_given_is_the_one_attacked(
    objective: str, linear: Any, unit: Tensor, generator: torch.Generator
) -> None:
    q, threat = linear(), Threat(4)
    attack = make_attack("fgsm", objective=objective)
    label = torch.tensor([0, 1, 0])
    adv = attack(q, unit, threat, generator=generator, label=label)
    up, down = optimum(unit, q.weight, threat), optimum(unit, -q.weight, threat)
    assert torch.equal(adv, torch.stack([up[0], down[1], up[2]]))


def test_zero_gradient_leaves_pixels_untouched(
    linear: Any, unit: Tensor, generator: torch.Generator
) -> None:
    threat = Threat(4)
    saturated = linear(gap=1e4)  # softmax of a gap of 10,000 underflows: the gradient is 0
    untouched = {"fgsm": {}, "pgd": {"random_start": False, "momentum": 1}}
    for name, options in untouched.items():
        assert torch.equal(
            make_attack(name, **options)(saturated, unit, threat, generator=generator), unit
        )
    for options in ({"objective": "margin"}, {"temperature": 1000}):
        adv = make_attack("fgsm", **options)(saturated, unit, threat, generator=generator)
        assert torch.equal(adv, optimum(unit, saturated.weight, threat))


def test_step_sizes() -> None:
    assert Steps(count=10).size_within(8.0) == 2.0
    assert Steps(count=5).size_within(8.0) == 4.0
    assert Steps(count=2).size_within(8.0) == 8.0
    assert Steps(count=1).size_within(8.0) == 8.0
    assert Steps(count=10, size=0.5).size_within(8.0) == 0.5


def test_step_size_is_in_pixels(linear: Any, unit: Tensor, generator: torch.Generator) -> None:
    q = linear()
    attack = make_attack("pgd", steps=3, step_size=1, random_start=False)
    adv = attack(q, unit, Threat(8), generator=generator)
    # 3 steps of 1 pixel; 1e-6: three float32 additions in unit scale.
    torch.testing.assert_close(adv, optimum(unit, q.weight, Threat(3)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("frames", ["all", "newest"])
def test_every_look_is_inside_the_threat(
    frames: Any, linear: Any, unit: Tensor, generator: torch.Generator
) -> None:
    threat = Threat(4, frames)
    q = linear()
    make_attack("pgd", steps=6, step_size=40, restarts=2)(q, unit, threat, generator=generator)
    for look in q.calls:
        assert float(look.min()) >= 0
        assert float(look.max()) <= 1
        # 1e-7: half an ulp of a unit float.
        assert float((look - unit).abs().max()) <= threat.eps + 1e-7
        if frames == "newest":
            assert torch.equal(look[:, :-1], unit[:, :-1])


def test_projection_is_the_nearest_point() -> None:
    obs = torch.tensor([0.5, 0.5, 0.5, 0.01, 0.99]).view(1, 1, 1, 5)
    adv = torch.tensor([0.9, 0.1, 0.51, -0.4, 1.5]).view(1, 1, 1, 5)
    projected = Threat(25.5).project(adv, obs)  # eps 0.1
    expected = torch.tensor([0.6, 0.4, 0.51, 0.0, 1.0]).view(1, 1, 1, 5)
    torch.testing.assert_close(projected, expected, rtol=0, atol=1e-7)
    inside = (obs + 0.05 * torch.tensor([1, -1, 0, 0, 0])).clamp(0, 1)
    torch.testing.assert_close(Threat(25.5).project(inside, obs), inside, rtol=0, atol=1e-7)


def flat_q(obs: Tensor) -> Tensor:
    return (0 * obs).flatten(1).sum(1)[:, None] + torch.tensor([1.0, 0.0])


def test_random_start_is_uniform_in_the_ball(generator: torch.Generator) -> None:
    obs = torch.full((2, 4, 40, 40), 0.5)
    obs[:, 0, 0] = 0.0
    threat = Threat(8)
    attack = make_attack("pgd", steps=1)
    start = attack(flat_q, obs, threat, generator=generator)  # no gradient: it stays at the start
    inner = (start - obs)[obs == 0.5] / threat.eps
    assert float(inner.abs().max()) <= 1 + 1e-5  # float32 near 0.5 resolves 2e-6 of this eps
    # 12,640 uniform draws: the mean has standard deviation 0.005, the share of a half 0.0045.
    assert abs(float(inner.mean())) < 0.025
    assert abs(float((inner.abs() < 0.5).float().mean()) - 0.5) < 0.025
    assert float(start.min()) >= 0
    again = attack(flat_q, obs, threat, generator=torch.Generator().manual_seed(0))
    other = attack(flat_q, obs, threat, generator=torch.Generator().manual_seed(1))
    assert torch.equal(start, again)
    assert not torch.equal(start, other)


def two_hills(obs: Tensor) -> Tensor:
    """A high hill above 0.5 and a low one below: where a climb ends depends on its start."""
    rise = torch.where(obs > 0.5, obs - 0.5, 0.3 * (0.5 - obs)).flatten(1).sum(1)
    return torch.stack([torch.ones_like(rise), rise], 1)


def test_restarts_keep_the_best_of_each_example() -> None:
    obs = torch.full((64, 1, 1, 1), 0.5)
    threat = Threat(8)
    run = partial(pgd, two_hills, obs, threat, label=torch.zeros(64).long(), objective=margin)
    generator = torch.Generator().manual_seed(3)
    ends = [run(generator=generator, steps=Steps(4, random_start=True)) for _ in range(6)]
    values = torch.stack([margin(two_hills(end), torch.zeros(64).long()) for end in ends])
    naive = torch.stack(
        [ends[int(values[:, i].argmax())][i] for i in range(64)]  # first of equals, as pgd does
    )
    generator.manual_seed(3)
    best = run(generator=generator, steps=Steps(4, random_start=True, restarts=6))
    assert torch.equal(best, naive)
    high = [int((end > 0.5).sum()) for end in ends]
    assert all(10 < count < 54 for count in high)  # single runs do miss the high hill
    assert int((best > 0.5).sum()) > 58  # 1/64 of the examples miss it six times


def test_restarts_look_at_fresh_passes_of_a_random_q(unit: Tensor) -> None:
    """The end points are compared by the mean over grad_samples passes, not by one."""
    rows = []

    def q(obs: Tensor) -> Tensor:
        rows.append((len(obs), torch.is_grad_enabled()))
        score = obs.flatten(1).sum(1)
        return torch.stack([score, -score], 1)

    attack = make_attack("pgd", steps=2, restarts=3, grad_samples=5)
    attack(q, unit, Threat(2), generator=torch.Generator().manual_seed(0))
    run = [(15, True), (15, True), (15, False)]
    assert rows == [(15, False), *run, *run, *run]
