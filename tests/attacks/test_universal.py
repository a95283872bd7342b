"""One pattern for a whole game."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sap_rl import Adversary, Threat, UsageError
from sap_rl.attacks import make_attack
from sap_rl.attacks.objectives import margin
from sap_rl.attacks.universal import Universal


def fitted(q: Any, frames: Tensor, threat: Threat, **options: Any) -> Universal:
    attack = make_attack("universal", **options)
    assert isinstance(attack, Universal)
    return attack.fit(q, frames, threat, torch.Generator().manual_seed(0))


def test_the_pattern_is_the_linear_optimum(linear: Any, generator: torch.Generator) -> None:
    """On a linear Q one pattern is best for every frame: eps * sign(w)."""
    q, threat = linear(), Threat(4)
    frames = 0.2 + 0.6 * torch.rand((100, 4, 6, 5), generator=generator)
    pattern = fitted(q, frames, threat).pattern
    assert pattern is not None
    free = q.weight != 0
    torch.testing.assert_close(pattern[free], threat.eps * q.weight.sign()[free])


def test_every_frame_gets_the_same_pattern_and_q_is_not_asked(
    linear: Any, unit: Tensor, generator: torch.Generator
) -> None:
    q, threat = linear(), Threat(4)
    attack = fitted(q, unit, threat)
    asked = len(q.calls)
    other = torch.full((2, 4, 6, 5), 0.5)
    adv = attack(q, other, threat, generator=generator)
    assert len(q.calls) == asked
    assert torch.equal(adv[0], adv[1])
    assert attack.pattern is not None
    torch.testing.assert_close(adv[0] - other[0], attack.pattern)
    pixels = attack(q, other, threat, generator=torch.Generator().manual_seed(9))
    assert torch.equal(pixels, adv)


def test_fitting_beats_noise_on_frames_it_never_saw(network: nn.Module, frames: Tensor) -> None:
    obs, threat = frames / 255, Threat(8)
    attack = fitted(network, obs[:12], threat, steps=20)
    rest = obs[12:]
    label = network(rest).argmax(1)
    noise = make_attack("noise")
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        rise = [
            float((margin(network(x), label) - margin(network(rest), label)).mean())
            for x in (
                attack(network, rest, threat, generator=draw),
                noise(network, rest, threat, generator=draw),
            )
        ]
    assert rise[0] > 5 * abs(rise[1])


@pytest.mark.parametrize("objective", ["cross-entropy", "lower-q", "worst-action", "mad"])
def test_all_objectives_can_be_fitted(objective: str, linear: Any, unit: Tensor) -> None:
    attack = fitted(linear(), unit, Threat(4), objective=objective)
    assert attack.pattern is not None
    assert float(attack.pattern.abs().max()) == pytest.approx(4 / 255)


def test_fitting_is_seeded(network: nn.Module, frames: Tensor) -> None:
    obs = frames / 255
    one, two = (fitted(network, obs, Threat(4), steps=3).pattern for _ in range(2))
    assert one is not None
    assert two is not None
    assert torch.equal(one, two)


def test_a_pattern_of_another_budget_is_cut_to_the_threat(linear: Any, unit: Tensor) -> None:
    q = linear()
    attack = fitted(q, unit, Threat(8))
    pixels = (unit * 255).contiguous()
    attacked = Adversary(q, attack, Threat(2), 0).perturb(pixels, torch.ones(3).bool())
    assert float(attacked.linf.max()) == pytest.approx(2, abs=1e-3)


def test_no_frames_are_refused(linear: Any, unit: Tensor) -> None:
    with pytest.raises(UsageError, match="got 0"):
        fitted(linear(), unit[:0], Threat(4))
