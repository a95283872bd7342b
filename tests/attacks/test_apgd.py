"""Auto-PGD: its checkpoints, its best point, its closed-form optimum."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sap_rl import Threat
from sap_rl.attacks import make_attack
from sap_rl.attacks.apgd import Course
from sap_rl.attacks.objectives import margin


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # 22% first, then 3% less each time, at least 6%: table of the paper for 100 steps.
        (100, [22, 41, 57, 70, 80, 87, 93, 99]),
        (10, [2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (1, [1]),
    ],
)
def test_checkpoints(steps: int, expected: list[int]) -> None:
    assert Course(steps).checkpoints() == expected


@pytest.mark.parametrize("frames", ["all", "newest"])
@pytest.mark.parametrize("objective", ["cross-entropy", "margin", "lower-q", "worst-action"])
def test_best_attack_on_a_linear_q(
    objective: str, frames: Any, linear: Any, unit: Tensor, generator: torch.Generator
) -> None:
    q, threat = linear(), Threat(4, frames)
    attack = make_attack("apgd", objective=objective)
    adv = attack(q, unit, threat, generator=generator)
    best = threat.project(unit + threat.eps * q.weight.sign(), unit)
    free = (q.weight != 0).expand_as(unit)
    torch.testing.assert_close(adv[free], best[free])


def test_the_best_point_seen_is_returned(unit: Tensor, generator: torch.Generator) -> None:
    """A narrow ridge that large steps jump over: the last point is not the best one."""
    label, passed = torch.zeros(3, dtype=torch.int64), 0
    for steps in (2, 3, 4, 5):
        seen: list[Tensor] = []

        def ridge(obs: Tensor, seen: list[Tensor] = seen) -> Tensor:
            height = -(obs - unit - 1 / 255).abs().flatten(1).sum(1)
            seen.append(height.detach())
            return torch.stack([torch.zeros_like(height), height], 1)

        attack = make_attack("apgd", objective="margin", steps=steps)
        adv = attack(ridge, unit, Threat(8), generator=generator, label=label)
        looks = torch.stack(seen)  # the start and every step; a given label needs no other look
        assert len(looks) == steps + 1
        assert torch.equal(margin(ridge(adv), label), looks.amax(0))
        passed += int((looks[-1] < looks.amax(0)).sum())
    assert passed > 0, "the last point is never passed over"


def test_steps_are_halved_where_they_stop_paying(unit: Tensor) -> None:
    """On the ridge above, smaller steps come closer than steps of one size can."""

    def ridge(obs: Tensor) -> Tensor:
        height = -(obs - unit - 1 / 255).abs().flatten(1).sum(1)
        return torch.stack([torch.zeros_like(height), height], 1)

    label, gap = torch.zeros(3, dtype=torch.int64), {}
    runs = {
        "halving": make_attack("apgd", objective="margin", steps=60),
        "never": make_attack("apgd", objective="margin", steps=60, rho=1e-9),
        "fixed": make_attack("pgd", objective="margin", steps=60, step_size=8),
    }
    for name, attack in runs.items():
        generator = torch.Generator().manual_seed(0)
        adv = attack(ridge, unit, Threat(8), generator=generator, label=label)
        gap[name] = float(-margin(ridge(adv), label).sum())
    assert gap["halving"] < 0.1 * gap["fixed"]


def test_restarts_keep_the_best_of_each_example(unit: Tensor) -> None:
    """A high hill above and a low one below: where a climb ends depends on its start."""

    def hills(obs: Tensor) -> Tensor:
        rise = torch.where(obs > 0.5, obs - 0.5, 0.3 * (0.5 - obs)).flatten(1).sum(1)
        return torch.stack([torch.ones_like(rise), rise], 1)

    obs = torch.full((64, 1, 1, 1), 0.5)
    high = {}
    for restarts in (1, 6):
        attack = make_attack("apgd", steps=4, restarts=restarts)
        adv = attack(hills, obs, Threat(8), generator=torch.Generator().manual_seed(3))
        high[restarts] = int((adv > 0.5).sum())
    # The first step of 2 eps may cross the valley, so one run finds the high hill more often than
    # half the time; six runs miss it next to never.
    assert high[1] < 60
    assert high[6] >= 63
