"""Linear bounds: those of auto_LiRPA, exact where they can be, sound everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sap_rl import Preprocess
from sap_rl.attacks.pgd import make_pgd
from sap_rl.attacks.threat import Threat
from sap_rl.certification import frames as frames_module
from sap_rl.certification import linear
from sap_rl.certification.frames import Certifier
from sap_rl.certification.layers import affine_chain
from sap_rl.certification.linear import Box, LinearBounds
from sap_rl.errors import UsageError
from sap_rl.networks.adapt import takes_unit
from tests.certification.networks import NETWORKS, drawn

PUBLISHED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "auto_lirpa.json").read_text(encoding="utf-8")
)


def margins(module: nn.Module, obs: Tensor, eps: float) -> Tensor:
    """Upper bounds of value minus the greedy action's."""
    with torch.no_grad():
        box = Box((obs - eps).clamp(0, 1), (obs + eps).clamp(0, 1))
        bounds = LinearBounds(affine_chain(module, tuple(obs.shape[1:])), box)
        return bounds.margins(module(obs).argmax(1))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_bounds_are_those_of_auto_lirpa(name: str) -> None:
    module, obs, eps = drawn(name)
    published = PUBLISHED["networks"][name]
    assert module(obs).argmax(1).tolist() == published["label"]
    wanted = torch.tensor(published["margins"])
    torch.testing.assert_close(margins(module, obs, eps), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_chain_computes_what_the_network_does(name: str) -> None:
    module, found, _ = drawn(name)
    wanted = module(found)
    for layer in affine_chain(module, tuple(found.shape[1:])):
        found = layer(found).relu() if layer.relu else layer(found)
    torch.testing.assert_close(found.flatten(1), wanted, atol=1e-4, rtol=1e-4)


def test_one_hidden_layer_has_a_closed_form() -> None:
    """x in [0.25, 0.75] behind relu(x - 0.4) has the line 0.7 x - 0.175 above it, 0 < x - 0.4 below
    half of the way: that unit's lower slope is 1."""
    first, last = nn.Linear(1, 1), nn.Linear(1, 2)
    module = nn.Sequential(nn.Flatten(), first, nn.ReLU(), last)
    with torch.no_grad():
        first.weight.fill_(1.0)
        first.bias.fill_(-0.4)
        last.weight.copy_(torch.tensor([[0.0], [1.0]]))
        last.bias.copy_(torch.tensor([0.5, 0.0]))
    found = margins(module, torch.full((1, 1, 1, 1), 0.5), 0.25)
    assert found[0].tolist() == pytest.approx([0.0, 0.35 - 0.5], abs=1e-6)
    with torch.no_grad():
        last.weight.copy_(torch.tensor([[1.0], [0.0]]))
        last.bias.copy_(torch.tensor([0.5, 0.0]))
    found = margins(module, torch.full((1, 1, 1, 1), 0.5), 0.25)
    assert found[0].tolist() == pytest.approx([0.0, 0.15 - 0.5], abs=1e-6)  # -(x - 0.4) at 0.25


@pytest.mark.parametrize("name", NETWORKS)
def test_no_attack_leaves_the_bounds(name: str) -> None:
    module, obs, eps = drawn(name, frames=2)
    attacked_within(module, obs, eps, tries=10)


@pytest.mark.slow
def test_no_attack_leaves_the_bounds_of_a_nature_network() -> None:
    module, obs, eps = drawn("nature", frames=200)
    for part in obs.split(10):
        attacked_within(module, part, eps, tries=50)


def attacked_within(module: nn.Module, obs: Tensor, eps: float, *, tries: int) -> None:
    """Random corners of the ball and PGD from there stay below the bounds."""
    most, generator = margins(module, obs, eps), torch.Generator().manual_seed(0)
    label = module(obs).argmax(1)
    attack = make_pgd(steps=10, objective="margin", random_start=True)
    for at in range(tries):
        sign = torch.randint(0, 2, obs.shape, generator=generator) * 2.0 - 1
        corner = (obs + eps * sign).clamp(0, 1)
        ascended = attack(module, obs, Threat(eps * 255), generator=generator)
        for found in (corner, ascended):
            with torch.no_grad():
                values = module(found)
            excess = values - values.gather(1, label[:, None]) - most
            assert excess.max() <= 1e-5, at


def test_parts_of_the_work_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    module, obs, eps = drawn("small")
    whole = margins(module, obs, eps)
    monkeypatch.setattr(linear, "CHUNK", 1000)
    torch.testing.assert_close(margins(module, obs, eps), whole)


def test_they_are_tighter_than_intervals() -> None:
    module, obs, eps = drawn("small")
    chain = affine_chain(module, tuple(obs.shape[1:]))
    with torch.no_grad():
        box = Box((obs - eps).clamp(0, 1), (obs + eps).clamp(0, 1))
        for layer in chain[:-1]:
            box = box.through(layer)
            box = box.rectified() if layer.relu else box
        last, label = chain[-1], module(obs).argmax(1)
        weight = (last.weight[None] - last.weight[label][:, None]).flatten(2)
        middle, radius = ((box.high + s * box.low).flatten(1) / 2 for s in (1, -1))
        rough = torch.einsum("baf,bf->ba", weight, middle) + last.bias - last.bias[label][:, None]
        rough += torch.einsum("baf,bf->ba", weight.abs(), radius)
    assert (margins(module, obs, eps) <= rough + 1e-5).all()
    assert margins(module, obs, eps).sum() < 0.5 * rough.sum()


class TestCertifier:
    """Which frames are certified."""

    def test_frames_in_another_order_and_scale(self) -> None:
        """Newest first, columns first and in pixels, with the weights turned alike."""
        module, obs, _ = drawn("small", frames=4)
        turned = drawn("small")[0]
        chosen = Preprocess(order="newest_first", layout="columns_first", scale="pixels")
        with torch.no_grad():
            turned[0].weight.copy_(module[0].weight.flip(1).transpose(2, 3) / 255)
            turned[2].weight.copy_(module[2].weight.transpose(2, 3))
            dense = module[5].weight.unflatten(1, (8, 5, 4)).transpose(2, 3)
            turned[5].weight.copy_(dense.flatten(1))
        other = takes_unit(turned, chosen)
        torch.testing.assert_close(other(obs), module(obs), atol=1e-4, rtol=1e-4)
        plain, seen = (Certifier(m, tuple(obs.shape[1:])) for m in (module, other))
        wanted = torch.cat([*plain.radii(obs)])
        assert wanted.min() > 0
        torch.testing.assert_close(torch.cat([*seen.radii(obs)]), wanted)

    def test_the_radius_is_where_certification_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(frames_module, "BISECTIONS", 14)
        monkeypatch.setattr(frames_module, "LARGEST", 64.0)
        module, obs, _ = drawn("small", frames=5)
        certifier = Certifier(module, tuple(obs.shape[1:]))
        radius = torch.cat([*certifier.radii(obs)])
        step = frames_module.LARGEST / 2**14
        assert ((radius > 0) & (radius < frames_module.LARGEST)).all()
        assert certifier.certified(obs, radius / 255).all()
        assert not certifier.certified(obs, (radius + 1.01 * step) / 255).any()

    def test_rounding_is_no_proof(self) -> None:
        """A margin that is smaller than what float rounding may hide is not certified."""
        module = nn.Sequential(nn.Flatten(), nn.Linear(1, 3))
        with torch.no_grad():
            module[1].weight.zero_()
            module[1].bias.copy_(torch.tensor([1.0, 1.0 - 1e-5, 0.0]))
        obs = torch.zeros(1, 1, 1, 1)
        assert not Certifier(module, (1, 1, 1)).certified(obs, 0.1)
        module[1].bias.data[1] = 1 - 1e-3
        assert Certifier(module, (1, 1, 1)).certified(obs, 0.1)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(9, 2), nn.Tanh()), "no bounds through Tanh"),
        (nn.Sequential(nn.Flatten(), nn.Linear(9, 2), nn.ReLU()), "ends in a Linear layer"),
        (nn.Sequential(nn.Conv2d(1, 2, 2)), "ends in a Linear layer"),
        (nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(9, 2)), "no bounds through a ReLU"),
        (nn.Sequential(nn.Conv2d(1, 2, 2, dilation=2), nn.Flatten()), "no bounds through Conv2d"),
        (nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(9, 2)), "does not follow"),
    ],
)
def test_a_layer_without_a_rule_is_named(module: nn.Module, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        affine_chain(module, (1, 3, 3))


def test_receptive_fields_agree_with_whole_maps() -> None:
    """A window's function carried through a convolution, against autograd."""
    module, obs, _ = drawn("small", frames=1)
    first, second = affine_chain(module, tuple(obs.shape[1:]))[:2]
    view = linear.View.of(second, first(obs)).through(first)
    assert (view.size, view.stride, view.padding) == ((5, 5), (2, 2), (1, 1))
    windows = view.cut(obs)
    ones = torch.ones(1, 1, *obs.shape[2:])
    counted = F.conv2d(obs, torch.ones(1, 2, 5, 5), None, 2, 1).flatten()
    torch.testing.assert_close(windows.sum((1, 2, 3)), counted)
    assert view.cut(ones).sum((1, 2, 3)).min() == 16  # at a corner 4 of 5 rows and columns
