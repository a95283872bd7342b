"""n passes folded into a batch: the same draws and values as n copies of every example."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sap_rl import sap
from sap_rl.networks.dueling import dueling_network
from sap_rl.networks.nature import nature_network


def small(*before: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), *before, nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))


class Residual(nn.Module):
    """Its input goes around the activation."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.relu, self.q = nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(1)
        found: torch.Tensor = self.q(flat + self.relu(self.dense(flat)))
        return found


NETWORKS = {
    "nature": (lambda: nature_network(6), (4, 84, 84)),
    "dueling": (lambda: dueling_network(6), (4, 84, 84)),
    "small": (small, (3, 2, 2)),
    "dropout in front": (lambda: small(nn.Dropout(0.5)), (3, 2, 2)),
    "randomised activation": (
        lambda: nn.Sequential(nn.Flatten(), nn.RReLU(), nn.Linear(12, 3)),
        (3, 2, 2),
    ),
    "residual": (Residual, (3, 2, 2)),
    "nested": (lambda: nn.Sequential(small()), (3, 2, 2)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_folded_passes_are_passes_over_copies(name: str) -> None:
    make, shape = NETWORKS[name]
    defended = sap(make(), seed=0)
    obs = torch.rand(3, *shape)
    defended(obs)
    found = []
    for passes in (defended.folded_passes, lambda obs, n: defended(obs.repeat(n, 1, 1, 1))):
        defended.reseed(7)
        torch.manual_seed(7)
        x = obs.clone().requires_grad_(True)
        values = passes(x, 4)
        (slope,) = torch.autograd.grad(values.square().sum(), x)
        found.append((values, slope, defended.sites))
    assert found[0][0].shape[0] == 12
    # Sums in other orders: a few roundings of values of about 1.
    assert torch.allclose(found[0][0], found[1][0], atol=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-5)
    assert found[0][2] == found[1][2]


@pytest.mark.parametrize(
    ("name", "once"),
    [("nature", True), ("dueling", True), ("small", True)]
    + [(name, False) for name in ("dropout in front", "residual", "nested")],
)
def test_only_what_every_copy_shares_is_computed_once(name: str, *, once: bool) -> None:
    make, shape = NETWORKS[name]
    module = make()
    defended = sap(module, seed=0)
    first = next(part for part in defended.module.modules() if hasattr(part, "weight"))
    rows: list[int] = []
    first.register_forward_hook(lambda _part, args, _out: rows.append(len(args[0])))
    obs = torch.rand(3, *shape)
    defended(obs)
    defended.folded_passes(obs, 4)
    defended(obs)
    assert rows == [3, 3 if once else 12, 3]
    assert defended(obs).shape == (3, 6 if shape[0] == 4 else 3)


def test_the_first_pass_of_all_is_watched_as_ever() -> None:
    defended = sap(small(), seed=0)
    assert defended.folded_passes(torch.rand(2, 3, 2, 2), 5).shape == (10, 3)
    assert len(defended.sites) == 1


def test_passes_differ_from_each_other() -> None:
    defended = sap(nature_network(6), seed=0)
    obs = torch.rand(1, 4, 84, 84)
    defended(obs)
    values = defended.folded_passes(obs, 5)
    assert len({tuple(row) for row in values.tolist()}) == 5
