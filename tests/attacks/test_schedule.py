"""On which steps the attacker strikes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sap_rl import Adversary, Threat, UsageError
from sap_rl.attacks import make_attack
from sap_rl.attacks.schedule import Schedule, parse_schedule
from sap_rl.attacks.timer import Timer, preference


def two_actions(cares: Tensor) -> Tensor:
    """Action values whose preference is `cares`: tanh(gap / 2) for two actions."""
    gap = 2 * torch.atanh(cares)
    return torch.stack([gap, torch.zeros_like(gap)], 1)


def test_preference_by_hand() -> None:
    values = torch.tensor([[0.0, math.log(3.0)], [5.0, 5.0]])
    torch.testing.assert_close(preference(values), torch.tensor([0.5, 0.0]))  # 3/4 - 1/4
    hot = preference(values * 2, temperature=2.0)
    torch.testing.assert_close(hot, torch.tensor([0.5, 0.0]))


def strikes(schedule: Schedule, values: Tensor) -> list[bool]:
    timer, generator = Timer(schedule), torch.Generator().manual_seed(0)
    found: list[bool] = timer.strikes(values, generator).tolist()
    return found


def test_every_and_threshold() -> None:
    values = two_actions(torch.tensor([0.1, 0.5, 0.9]))
    assert strikes(Schedule(), values) == [True] * 3
    assert strikes(Schedule("threshold", 0.4), values) == [False, True, True]
    assert strikes(Schedule("threshold", 1.0), values) == [False] * 3


def test_random_strikes_at_its_rate() -> None:
    values = torch.zeros(10_000, 2)
    # Standard deviation of the share: 0.0043.
    assert np.mean(strikes(Schedule("random", 0.25), values)) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.25, 0.9, 1.0])
def test_rate_picks_the_strongest_preferences(rate: float) -> None:
    cares = torch.rand(5000, generator=torch.Generator().manual_seed(1)) * 0.98
    struck = torch.tensor(strikes(Schedule("rate", rate), two_actions(cares)))[1000:]
    assert float(struck.float().mean()) == pytest.approx(rate, abs=0.03)
    expected = cares[1000:] > torch.quantile(cares[1000:], rate if rate in (0, 1) else 1 - rate)
    if 0 < rate < 1:  # ranks among 1000 recent ones: off where a preference is near the quantile
        assert float((struck == expected).float().mean()) > 0.95


def test_rate_follows_when_the_game_changes() -> None:
    """What counts is the rank among the last 1000, not among all there ever were."""
    generator = torch.Generator().manual_seed(2)
    early = torch.rand(3000, generator=generator) * 0.2
    late = 0.7 + torch.rand(3000, generator=generator) * 0.2
    struck = strikes(Schedule("rate", 0.2), two_actions(torch.cat([early, late])))
    assert np.mean(struck[4500:]) == pytest.approx(0.2, abs=0.04)


def test_equal_preferences_are_all_in_the_middle() -> None:
    values = two_actions(torch.full((50,), 0.5))
    assert not any(strikes(Schedule("rate", 0.3), values))
    assert all(strikes(Schedule("rate", 0.7), values))


@pytest.mark.parametrize("frames", ["all", "newest"])
def test_only_the_struck_rows_change(frames: Any, linear: Any, unit: Tensor) -> None:
    q = linear()
    pixels = unit * 255
    cares = preference(q(unit))
    level = float(cares.median())
    adversary = Adversary(
        q, make_attack("fgsm"), Threat(4, frames), 0, Schedule("threshold", level)
    )
    attacked = adversary.perturb(pixels, torch.ones(3).bool())
    assert attacked.struck.tolist() == (cares > level).tolist()
    assert torch.equal(attacked.linf > 0, attacked.struck)
    assert torch.equal(attacked.label, q(unit).argmax(1))
    assert attacked.idle[~attacked.struck].tolist() == [1.0, 1.0]
    # One look at all three rows; the attack's pass at the one that is struck.
    assert attacked.cost.forward == pytest.approx(1 + 1 / 3)
    assert attacked.cost.backward == pytest.approx(1 / 3)


def test_no_row_struck_leaves_everything(linear: Any, unit: Tensor) -> None:
    adversary = Adversary(linear(), make_attack("pgd"), Threat(4), 0, Schedule("random", 0.0))
    attacked = adversary.perturb(unit * 255, torch.ones(3).bool())
    assert not bool(attacked.struck.any())
    assert torch.equal(attacked.pixels, unit * 255)


def test_reseeding_starts_the_schedule_again(linear: Any, unit: Tensor) -> None:
    adversary = Adversary(linear(), make_attack("noise"), Threat(4), 3, Schedule("rate", 0.5))
    first = [adversary.perturb(unit * 255, torch.ones(3).bool()).struck for _ in range(4)]
    adversary.reseed(3)
    again = [adversary.perturb(unit * 255, torch.ones(3).bool()).struck for _ in range(4)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_spellings() -> None:
    assert parse_schedule("every") == Schedule()
    assert parse_schedule("threshold-0.5") == Schedule("threshold", 0.5)
    assert parse_schedule("rate-0.25") == Schedule("rate", 0.25)
    assert parse_schedule("random-1") == Schedule("random", 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("evry", "unknown schedule 'evry'; choose from every, "),
        ("rate", "schedule 'rate' needs a level in 0..1, got None"),
        ("rate-2", r"schedule 'rate' needs a level in 0\.\.1, got 2"),
        ("threshold-nan", r"schedule 'threshold' needs a level in 0\.\.1, got nan"),
        ("random-x", "schedule 'random-x': 'x' is not a number"),
        ("every-0.5", "schedule 'every' has no level, got 0.5"),
    ],
)
def test_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_schedule(text)
