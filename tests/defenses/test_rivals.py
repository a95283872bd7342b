"""SAP's rivals: each by hand, in closed form or against a naive twin."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sap_rl import DEFENSES, UsageError
from sap_rl.attacks.gradients import passes
from sap_rl.defenses.dropout import dropout
from sap_rl.defenses.noise_vote import noise_vote
from sap_rl.defenses.weight_pruning import weight_pruning

FRAMES = torch.randint(0, 256, (2, 3, 10, 10), generator=torch.Generator().manual_seed(0)) / 255


class Same(nn.Module):
    """Values that are the frames themselves."""

    def forward(self, obs: Tensor) -> Tensor:
        return obs.flatten(1)


def seen(name: str, **options: Any) -> Tensor:
    return DEFENSES[name](Same(), seed=0, **options)(FRAMES).view(FRAMES.shape)


def slope(name: str, **options: Any) -> Tensor:
    """The gradient of the sum of all values, for which `identity` gives 1 everywhere."""
    obs = FRAMES.clone().requires_grad_()
    (found,) = torch.autograd.grad(DEFENSES[name](Same(), seed=0, **options)(obs).sum(), obs)
    return found


def test_bit_depth() -> None:
    assert torch.equal(seen("bit-depth", bits=1), (FRAMES >= 0.5).float())
    assert torch.equal(seen("bit-depth", bits=8), (FRAMES * 255).round() / 255)
    assert torch.equal(slope("bit-depth", bits=2), torch.ones_like(FRAMES))


def test_jpeg_is_pillows() -> None:
    from PIL import Image

    grey = (FRAMES[1, 2] * 255).round().to(torch.uint8).numpy()
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "JPEG", quality=30)
    expected = np.array(Image.open(file))
    np.testing.assert_array_equal((seen("jpeg", quality=30)[1, 2] * 255).round().numpy(), expected)
    assert torch.equal(slope("jpeg"), torch.ones_like(FRAMES))


def test_median_blur_is_what_a_loop_does() -> None:
    padded = np.pad(FRAMES.numpy(), [(0, 0), (0, 0), (1, 1), (1, 1)], "edge")
    expected = np.array(
        [
            [
                [[np.median(plane[i : i + 3, j : j + 3]) for j in range(10)] for i in range(10)]
                for plane in stack
            ]
            for stack in padded
        ]
    )
    np.testing.assert_allclose(seen("median-blur", size=3).numpy(), expected, atol=0)
    full = slope("median-blur", backward="full")
    assert full.sum() == FRAMES.numel()  # each median hands its gradient to one pixel
    assert not torch.equal(full, torch.ones_like(FRAMES))
    assert torch.equal(slope("median-blur", backward="identity"), torch.ones_like(FRAMES))


@pytest.mark.parametrize("vote", ["mean", "median"])
def test_noise_votes(vote: Any) -> None:
    """Sigma / sqrt(draws) is left of the noise by the mean; the median leaves a little more."""
    module = noise_vote(Same(), sigma=25.5, draws=16, vote=vote, seed=1)
    left = torch.stack([module(FRAMES).view(FRAMES.shape) - FRAMES for _ in range(60)])
    expected = 0.1 / 4 * (1 if vote == "mean" else 1.22)
    assert abs(float(left.mean())) < 1e-3
    assert abs(float(left.std()) - expected) < 0.05 * expected
    assert [len(part) for part in passes(module, FRAMES[:1].repeat(32, 1, 1, 1), 4)] == [64, 64]


def test_dropout_keeps_the_mean_and_zeroes_a_share() -> None:
    layers = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(300, 300, bias=False))
    with torch.no_grad():
        layers[2].weight.copy_(torch.eye(300))
    module = dropout(layers, rate=0.25, seed=0)
    looks = torch.stack([module(FRAMES) for _ in range(400)])
    flat = FRAMES.flatten(1)
    assert abs(float((looks[:, flat > 0] == 0).float().mean()) - 0.25) < 0.005
    torch.testing.assert_close(looks.mean(0), flat, atol=0.15, rtol=0)
    alive = looks[0] > 0
    torch.testing.assert_close(looks[0][alive], flat[alive] / 0.75)
    assert not module.eval()(FRAMES).equal(module(FRAMES))


def test_weights_are_pruned_as_sap_prunes_activations() -> None:
    """Every pass has other weights, the same for its whole batch; on average the network's own."""
    torch.manual_seed(0)
    layer = nn.Linear(8, 4, bias=False)
    module = weight_pruning(nn.Sequential(layer), percent=100, seed=3)
    looks = module.folded_passes(torch.eye(8), 3000).view(3000, 8, 4)
    torch.testing.assert_close(looks.mean(0), layer.weight.T.detach(), atol=0.05, rtol=0)
    p = (layer.weight.abs() / layer.weight.abs().sum()).T.detach()
    keep = 1 - (1 - p) ** 32
    torch.testing.assert_close((looks != 0).float().mean(0), keep, atol=0.04, rtol=0)
    kept = looks[0] != 0
    torch.testing.assert_close(looks[0][kept], (layer.weight.T.detach() / keep)[kept])
    twice = module(torch.eye(8).repeat(2, 1))
    assert torch.equal(twice[:8], twice[8:])


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("jpeg", {"quality": 0}, "1..95, got 0"),
        ("jpeg", {"quality": 50.5}, "whole number"),
        ("bit-depth", {"bits": 9}, "1..8, got 9"),
        ("median-blur", {"size": 4}, "odd number in 3..9, got 4"),
        ("median-blur", {"backward": "mask"}, "choose from full, identity"),
        ("noise-vote", {"sigma": 0.0}, "got 0"),
        ("noise-vote", {"draws": 0}, "draws must be at least 1"),
        ("dropout", {"rate": 1.0}, "between 0 and 1, got 1"),
        ("dropout", {"backward": "full"}, "choose from mask, identity"),
        ("swp", {"percent": 0.0}, "above 0"),
    ],
)
def test_what_cannot_be(name: str, options: dict[str, Any], text: str) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(300, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(UsageError, match=text):
        DEFENSES[name](network, seed=0, **options)
