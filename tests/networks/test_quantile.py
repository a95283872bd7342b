"""The quantile head and its fold."""

from __future__ import annotations

import torch
from torch import Tensor

from sap_rl.networks.quantile import fold_quantiles, quantile_network


def test_the_fold_is_the_mean_of_the_quantiles() -> None:
    torch.manual_seed(0)
    network = quantile_network(5, num_quantiles=7)
    obs = torch.rand(3, 4, 84, 84, requires_grad=True)
    outputs = network(obs)
    assert outputs.shape == (3, 5, 7)
    folded = fold_quantiles(network)
    values, expected = folded(obs), outputs.mean(2)
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-7)  # float32 sums, values of 0.05

    def slope(q: Tensor) -> Tensor:
        return torch.autograd.grad(q[:, 1].sum(), obs, retain_graph=True)[0]

    torch.testing.assert_close(slope(values), slope(expected), rtol=1e-4, atol=1e-8)
    assert slope(values).abs().max() > 1e-5


def test_the_fold_shares_nothing() -> None:
    network = quantile_network(2, num_quantiles=3)
    folded = fold_quantiles(network)
    before = folded(torch.ones(1, 4, 84, 84))
    for parameter in network.parameters():
        parameter.data.zero_()
    assert folded(torch.ones(1, 4, 84, 84)).equal(before)
    assert [name for name, _ in folded.named_children()][-1] == "q"
    assert all(p.requires_grad for p in folded.parameters())
