"""Square and SPSA: what they reach without a gradient, and what they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from sap_rl import Threat
from sap_rl.attacks import make_attack
from sap_rl.attacks.objectives import margin
from sap_rl.attacks.square import _side, _stripes, square

LABEL = torch.zeros(3, dtype=torch.int64)


def share_of_optimum(adv: Tensor, q: Any, obs: Tensor, threat: Threat) -> float:
    """The margin's rise over the largest possible one inside the threat and the box."""
    best = threat.project(obs + threat.eps * q.weight.sign(), obs)
    at = [margin(q(x), LABEL).sum() for x in (obs, adv, best)]
    return float((at[1] - at[0]) / (at[2] - at[0]))


@pytest.mark.parametrize("frames", ["all", "newest"])
def test_square_reaches_two_thirds_of_the_linear_optimum(
    frames: Any, linear: Any, unit: Tensor, generator: torch.Generator
) -> None:
    """A stack of 4 x 6 x 5 has no spatial order in its weights, the worst case for patches."""
    q, threat = linear(), Threat(8, frames)
    adv = make_attack("square", steps=800)(q, unit, threat, generator=generator)
    assert share_of_optimum(adv, q, unit, threat) > 2 / 3
    random = make_attack("noise")(q, unit, threat, generator=generator)
    assert abs(share_of_optimum(random, q, unit, threat)) < 1 / 3


@pytest.mark.parametrize("frames", ["all", "newest"])
def test_spsa_reaches_nine_tenths_of_the_linear_optimum(
    frames: Any, linear: Any, unit: Tensor, generator: torch.Generator
) -> None:
    q, threat = linear(), Threat(8, frames)
    attack = make_attack("spsa", steps=20, directions=64)
    adv = attack(q, unit, threat, generator=generator)
    assert share_of_optimum(adv, q, unit, threat) > 0.9


@pytest.mark.parametrize("name", ["square", "spsa"])
def test_no_gradient_is_needed_and_none_is_taken(
    name: str, linear: Any, unit: Tensor, generator: torch.Generator
) -> None:
    q = linear()

    def deaf(obs: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        return q(obs).detach()

    adv = make_attack(name, steps=20)(deaf, unit, Threat(4), generator=generator)
    assert float(margin(q(adv), LABEL).sum()) > float(margin(q(unit), LABEL).sum())


@pytest.mark.parametrize("name", ["square", "spsa"])
@pytest.mark.parametrize("frames", ["all", "newest"])
def test_every_query_is_inside_the_threat(
    name: str, frames: Any, linear: Any, unit: Tensor, generator: torch.Generator
) -> None:
    q, threat = linear(), Threat(4, frames)
    make_attack(name, steps=10)(q, unit, threat, generator=generator)
    assert len(q.calls) > 10
    for look in q.calls:
        assert 0 <= float(look.min()) <= float(look.max()) <= 1
        # 1e-7: half an ulp of a unit float.
        assert float((look - unit).abs().max()) <= threat.eps + 1e-7
        if frames == "newest":
            assert torch.equal(look[:, :-1], unit[:, :-1])


def test_square_never_loses_what_it_has(
    linear: Any, unit: Tensor, generator: torch.Generator
) -> None:
    """The best of all its looks, stripes included, is what it returns."""
    q = linear()
    adv = make_attack("square", steps=60)(q, unit, Threat(4), generator=generator)
    looks = torch.stack([margin(q(look), LABEL) for look in q.calls[1:62]])
    assert torch.equal(margin(q(adv), LABEL), looks.amax(0))


def test_square_changes_one_square_of_each_example_per_query(
    linear: Any, generator: torch.Generator
) -> None:
    q, grey = linear((4, 20, 20)), torch.full((3, 4, 20, 20), 0.5)
    threat = Threat(4)
    make_attack("square", steps=30)(q, grey, threat, generator=generator)
    best, stripes = None, q.calls[1]
    assert torch.equal(stripes, stripes[:, :, :1].expand_as(stripes))
    for query, look in enumerate(q.calls[2:]):
        side = _side(query, 30, 0.8, 20, 20)
        before = stripes if best is None else best
        for new, old in zip(look, before, strict=True):
            moved = (new != old).any(0).nonzero()
            if len(moved):
                extent = moved.amax(0) - moved.amin(0) + 1
                assert int(extent.max()) <= side
        better = margin(q(look), LABEL) > margin(q(before), LABEL)
        best = torch.where(better[:, None, None, None], look, before)


def test_patch_sides_follow_the_papers_schedule() -> None:
    """Of 10,000 queries on 10 x 10 pixels: 80% of them, halved at the marks, one pixel at last."""
    at = {0: 9, 11: 6, 51: 4, 201: 3, 1001: 2, 2001: 2, 4001: 1, 9999: 1}
    found = {query: _side(query, 10_000, 0.8, 10, 10) for query in at}
    assert found == at


def test_a_lucky_draw_of_a_random_q_is_asked_again(unit: Tensor) -> None:
    """Once the incumbent's luck is over, a plainly better candidate replaces it."""
    obs, found = unit[:1], {}
    for samples in (1, 2):
        luck = iter([0.0, 50.0, *[0.0] * 100])  # the clean look, then the stripes' lucky first one

        def q(obs: Tensor, luck: Iterator[float] = luck) -> Tensor:
            score = obs.flatten(1).sum(1) + next(luck)
            return torch.stack([200 - score, score], 1)

        draw = torch.Generator().manual_seed(0)
        found[samples] = square(q, obs, Threat(8), generator=draw, queries=30, grad_samples=samples)
    stripes = _stripes(obs, Threat(8), torch.Generator().manual_seed(0))
    assert torch.equal(found[1], stripes)
    assert float(found[2].sum()) > float(stripes.sum())
