"""Gaussian noise on action values."""

import copy
import math

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from sap_rl import UsageError
from sap_rl.defenses.q_noise import q_noise
from sap_rl.defenses.sap import sap


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)).eval()


def inputs(batch: int) -> Tensor:
    return torch.rand(batch, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sigma", [0.02, 3.0])
def test_differences_are_independent_gaussians(sigma: float) -> None:
    module, x = network(), inputs(20_000)
    noise = ((q_noise(module, sigma=sigma, seed=0)(x) - module(x)) / sigma).detach()
    assert stats.kstest(noise.flatten().double().numpy(), "norm").pvalue > 1e-3
    columns = torch.corrcoef(noise.T) - torch.eye(4)
    rows = (noise[:-1] * noise[1:]).mean(0)
    assert float(columns.abs().max()) < 4.5 / math.sqrt(20_000)
    assert float(rows.abs().max()) < 4.5 / math.sqrt(20_000)


def test_sigma_zero_changes_nothing() -> None:
    module, x = network(), inputs(5)
    assert torch.equal(q_noise(module, sigma=0, seed=0)(x), module(x))


def test_gradients_are_the_networks() -> None:
    module, x = network(), inputs(5).requires_grad_(True)
    defended = q_noise(module, sigma=2.0, seed=0)
    for value, wanted in (
        (torch.autograd.grad(net(x).sum(), x)[0], torch.autograd.grad(module(x).sum(), x)[0])
        for net in (defended, defended.train())
    ):
        assert torch.equal(value, wanted)


def test_shares_parameters_and_leaves_the_original_alone() -> None:
    module, x = network(), inputs(5)
    before, state = module(x), copy.deepcopy(module.state_dict())
    defended = q_noise(module, sigma=1.0, seed=0)
    assert not defended.training
    defended.train()
    defended(x)
    assert torch.equal(module(x), before)
    assert not module.training
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert all(a is b for a, b in zip(module.parameters(), defended.parameters(), strict=True))


def test_noise_has_the_values_dtype() -> None:
    assert q_noise(network().double(), sigma=1, seed=0)(inputs(2).double()).dtype == torch.float64
    assert q_noise(network().bfloat16(), sigma=1, seed=0)(inputs(2).bfloat16()).isfinite().all()


@pytest.mark.parametrize("sigma", [-0.1, math.nan, math.inf])
def test_unusable_sigmas_are_refused(sigma: float) -> None:
    with pytest.raises(UsageError, match=f"sigma must be a number of at least 0, got {sigma}"):
        q_noise(network(), sigma=sigma)


def test_what_prints() -> None:
    defended = q_noise(network(), sigma=0.5)
    assert "sigma=0.5" in repr(defended)
    assert defended.stochastic
    assert defended.sampler_version == "gaussian/1"


def test_many_passes_cost_one_of_the_network_and_are_the_folded_ones() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    calls: list[int] = []
    network.register_forward_hook(lambda module, args, output: calls.append(len(output)))
    obs = torch.randn(4, 3, requires_grad=True)
    one, other = (q_noise(network, sigma=0.3, seed=1) for _ in range(2))
    one.folded_passes(obs, 1)  # looks whether the network inside is random
    one.reseed(1)
    calls.clear()
    cheap, folded = one.folded_passes(obs, 5), other(obs.repeat(5, 1))
    assert calls == [4, 20]
    torch.testing.assert_close(cheap, folded)
    slopes = [torch.autograd.grad(q.square().sum(), obs)[0] for q in (cheap, folded)]
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["sap", "dropout"])
def test_many_passes_of_a_random_network_are_all_made(kind: str) -> None:
    torch.manual_seed(0)
    random = nn.Sequential(nn.Linear(3, 40), nn.ReLU(), nn.Dropout(0.5), nn.Linear(40, 2))
    inside = sap(random.eval(), seed=0) if kind == "sap" else random.train()
    values = q_noise(inside, sigma=0.0, seed=1).folded_passes(torch.ones(1, 3), 8)
    assert len(values.unique(dim=0)) == 8
