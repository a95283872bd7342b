"""One activation map: mean, scale, edge cases and the three backward modes."""

import math

import pytest
import torch
from torch import Tensor

from sap_rl import UsageError
from sap_rl.defenses import kernel
from sap_rl.defenses.sampling import SAMPLERS
from sap_rl.defenses.sap import BACKWARDS, CACHE, Backward, SamplerName, prune
from sap_rl.seeds import Stream
from tests.defenses.naive_sap import keep_by_hand, marginal_excess, pruned_by_hand

LIMIT = 4.5


def pruned(
    h: Tensor,
    *,
    percent: float = 100,
    sampler: SamplerName = "exact",
    backward: Backward = "mask",
    seed: int = 0,
) -> Tensor:
    draws = int(percent * h.shape[1:].numel() / 100)
    return prune(h, draws=draws, sampler=sampler, backward=backward, stream=Stream(seed))


@pytest.fixture(params=["compiled", "torch"], autouse=True)
def _engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything here holds of the compiled samplers and of those in torch."""
    monkeypatch.setattr(kernel, "AVAILABLE", request.param == "compiled")


@pytest.fixture
def _all_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sampler that keeps every unit, so that outputs show every scale; in torch."""
    monkeypatch.setattr(kernel, "AVAILABLE", False)
    monkeypatch.setitem(SAMPLERS, "exact", lambda p, keep, draws, stream: torch.ones_like(p))


def signed_map(units: int, seed: int = 0) -> Tensor:
    """Values of both signs and of very different sizes, with zeros. [1, units]"""
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(1, units, generator=generator) ** 3
    h[0, ::5] = 0
    return h


@pytest.mark.parametrize("backward", BACKWARDS)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("percent", [20, 100, 300])
def test_mean_is_the_input(sampler: SamplerName, percent: float, backward: Backward) -> None:
    h = signed_map(30)
    rows = 60_000
    out = pruned(h.expand(rows, -1), percent=percent, sampler=sampler, backward=backward).double()
    p = (h.abs() / h.abs().sum()).double()
    keep = keep_by_hand(p, int(percent * 30 / 100))
    sd = h.double().abs() * ((1 / keep.clamp_min(1e-300) - 1) / rows).sqrt()  # of a mean
    often = (rows * keep > 100) & (h != 0)
    assert int(often.sum()) > 15
    assert float(((out.mean(0) - h).abs() / sd)[often].max()) < LIMIT
    assert not out[:, h[0] == 0].any()


def test_sap_100_keeps_two_thirds_of_an_equal_map_and_scales_it_up() -> None:
    size = 400
    out = pruned(torch.full((500, size), 0.25))
    keep = 1 - (1 - 1 / size) ** size
    assert keep == pytest.approx(0.632, abs=1e-3)
    assert float((out > 0).float().mean()) == pytest.approx(keep, abs=0.003)
    assert out[out > 0].unique().tolist() == [pytest.approx(0.25 / keep, rel=1e-6)]


def test_large_values_survive_and_small_ones_go() -> None:
    h = torch.tensor([[9.0, 0.5, 0.5]]).expand(20_000, 3)
    p = torch.tensor([0.9, 0.05, 0.05])
    kept = (pruned(h) != 0).float()
    assert marginal_excess(kept, p, 3) < LIMIT
    assert kept[:, 0].mean() > 0.99
    assert kept[:, 1].mean() < 0.15


def test_draws_are_counted_from_the_size_of_the_map_zeros_included() -> None:
    h = torch.zeros(20_000, 40)
    h[:, :4] = torch.tensor([4.0, 3.0, 2.0, 1.0])
    kept = (pruned(h) != 0).float()[:, :4]
    assert marginal_excess(kept, torch.tensor([0.4, 0.3, 0.2, 0.1]), 40) < LIMIT
    four = keep_by_hand(torch.tensor(0.1), 4)
    forty = keep_by_hand(torch.tensor(0.1), 40)
    assert float(kept[:, 3].mean()) == pytest.approx(float(forty), abs=0.005)
    assert abs(float(forty - four)) > 0.5, "the two counts are told apart"


def test_channels_and_positions_are_one_map() -> None:
    h = torch.rand(3, 2, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(pruned(h), pruned(h.flatten(1)).view_as(h))
    channels_last = h.to(memory_format=torch.channels_last)
    assert torch.equal(pruned(channels_last), pruned(h))


@pytest.mark.usefixtures("_all_survive")
def test_scale_is_right_for_tiny_shares() -> None:
    draws = 12_544
    tiny = torch.tensor([1e-7, 2e-8, 1e-8, 1e-9, 1e-12, 1e-15])
    h = torch.full((1, draws), 1.0 / draws)
    h[0, : len(tiny)] = tiny
    p = h.double() / h.double().sum()
    found = (pruned(h) / h).double()
    # Roundings of the total, of p, of three functions and of two products.
    torch.testing.assert_close(found, 1 / keep_by_hand(p, draws), rtol=1e-6, atol=0)
    assert (1 - (1 - p.float()) ** draws)[0, 2] == 0, "the plain formula would divide by 0"


@pytest.mark.usefixtures("_all_survive")
@pytest.mark.parametrize("backward", BACKWARDS)
def test_vanishing_shares_give_finite_values_and_gradients(backward: Backward) -> None:
    h = torch.tensor([[1.0, 1e-20, 1e-30, 1e-38, 1e-45, 0.0]], requires_grad=True)
    out = pruned(h, backward=backward)
    (grad,) = torch.autograd.grad(out.sum(), h)
    assert out.isfinite().all()
    assert grad.isfinite().all()
    assert out[0, 0] == 1
    assert out[0, 1:].max() <= 1 / 6 + 1e-6  # total / r, what a unit of small share becomes


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("backward", BACKWARDS)
def test_a_lone_value_comes_through_untouched(sampler: SamplerName, backward: Backward) -> None:
    h = torch.zeros(50, 20)
    h[:, 7] = -3.0
    h.requires_grad_(True)
    out = pruned(h, sampler=sampler, backward=backward)
    assert torch.equal(out, h)
    (grad,) = torch.autograd.grad(out.sum(), h)
    assert torch.equal(grad[:, 7], torch.ones(50))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("backward", BACKWARDS)
def test_empty_maps_stay_zero_beside_others(sampler: SamplerName, backward: Backward) -> None:
    h = torch.rand(6, 30, generator=torch.Generator().manual_seed(1))
    h[::2] = 0
    h.requires_grad_(True)
    out = pruned(h, sampler=sampler, backward=backward)
    assert not out[::2].any()
    assert out[1::2].any(1).all()
    (grad,) = torch.autograd.grad(out.sum(), h)
    assert grad.isfinite().all()
    assert torch.equal(grad[::2], torch.full((3, 30), 1.0 if backward == "identity" else 0.0))


def test_an_empty_batch_stays_empty() -> None:
    assert pruned(torch.zeros(0, 3, 4)).shape == (0, 3, 4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_maps_that_are_not_finite_are_refused(bad: float) -> None:
    h = torch.ones(2, 10)
    h[1, 3] = bad
    with pytest.raises(UsageError, match="holds NaN, infinity"):
        pruned(h)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_another_example_changes_nothing(sampler: SamplerName) -> None:
    """p is the example's own: with p of the batch, a large neighbour would empty a row."""
    row = torch.tensor([4.0, 3.0, 2.0, 1.0])
    p = row / row.sum()
    for neighbour in (torch.zeros(4), 1e6 * torch.ones(4), torch.tensor([0.0, 0.0, 0.0, 1e-6])):
        h = torch.stack([row, neighbour]).repeat(20_000, 1)
        out = pruned(h, sampler=sampler)[::2]
        assert marginal_excess((out != 0).float(), p, 4) < LIMIT
        wanted = (row / keep_by_hand(p, 4)).float().expand_as(out)
        torch.testing.assert_close(out[out != 0], wanted[out != 0], rtol=1e-6, atol=0)


def test_maps_beyond_the_cache_are_pruned_row_by_row_alike() -> None:
    size = 5000
    rows = 2 * (CACHE // size) + 1
    h = torch.rand(1, size, generator=torch.Generator().manual_seed(2)).expand(rows, -1)
    out = pruned(h)
    kept = (out != 0).double()
    keep = keep_by_hand(h[0] / h[0].sum(), size)
    sd = float((keep * (1 - keep)).sum().sqrt())  # more than the multinomial's
    assert bool(((kept.sum(1) - keep.sum()).abs() < LIMIT * sd).all())
    assert len(kept.unique(dim=0)) == rows, "no two examples share their draws"
    assert len(pruned(torch.ones(3, CACHE + 1))) == 3, "one example may be larger than the cache"


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_bfloat16_maps_are_pruned_as_in_float32(sampler: SamplerName) -> None:
    h = torch.rand(4, 3136, generator=torch.Generator().manual_seed(3)).bfloat16()
    h[0, 0] = 1e-7
    out = pruned(h, sampler=sampler)
    assert out.dtype == torch.bfloat16
    assert torch.equal(out, pruned(h.float(), sampler=sampler).bfloat16())  # one rounding, the last
    assert out.isfinite().all()


@pytest.mark.usefixtures("_all_survive")
def test_float16_scales_do_not_overflow() -> None:
    h = torch.full((1, 3136), 1.0).half()
    h[0, 0] = 1e-7  # its scale is 1e7, beyond half precision; its value is 1
    out = pruned(h)
    assert out.isfinite().all()
    assert float(out[0, 0]) == pytest.approx(1, abs=1e-3)


def test_forward_is_the_same_bits_in_every_backward_mode() -> None:
    h = signed_map(500).expand(20, -1).requires_grad_(True)
    mask, full, identity = (pruned(h, backward=mode) for mode in ("mask", "full", "identity"))
    assert torch.equal(mask, full)
    assert torch.equal(mask, identity)


def powers_of_two(rows: int, units: int) -> Tensor:
    """Values whose products and quotients by them are exact."""
    generator = torch.Generator().manual_seed(4)
    return 2.0 ** torch.randint(-3, 4, (rows, units), generator=generator)


def test_backward_mask_is_the_gradient_times_the_mask() -> None:
    h = powers_of_two(30, 50).requires_grad_(True)
    out = pruned(h, backward="mask")
    incoming = torch.randn(out.shape, generator=torch.Generator().manual_seed(5))
    (grad,) = torch.autograd.grad(out, h, incoming)
    assert torch.equal(grad, incoming * (out / h).detach())


def test_backward_identity_is_the_gradient() -> None:
    h = powers_of_two(30, 50).requires_grad_(True)
    out = pruned(h, backward="identity")
    incoming = torch.randn(out.shape, generator=torch.Generator().manual_seed(5))
    (grad,) = torch.autograd.grad(out, h, incoming)
    assert torch.equal(grad, incoming)
    assert (out == 0).any()


def test_backward_full_goes_through_the_shares() -> None:
    h = signed_map(40).double().expand(25, -1).clone().requires_grad_(True)
    out = pruned(h, backward="full", percent=60)
    kept = (out != 0).double()
    incoming = torch.randn(out.shape, generator=torch.Generator().manual_seed(6)).double()
    (grad,) = torch.autograd.grad(out, h, incoming)
    by_hand = pruned_by_hand(h, kept, 24)
    (wanted,) = torch.autograd.grad(by_hand, h, incoming)
    # Both in float64; the plain formula of the twin cancels to about 1e-13 / p.
    torch.testing.assert_close(grad, wanted, rtol=1e-8, atol=1e-10)
    (mask,) = torch.autograd.grad(pruned(h, backward="mask", percent=60), h, incoming)
    assert float((mask - grad).abs().max()) > 0.1, "the two modes are told apart"


def test_backward_full_matches_finite_differences() -> None:
    h = signed_map(12, seed=2).double()
    h[h == 0] = 0.5  # |h| has a kink at 0
    survivors = pruned(h, seed=3) != 0
    assert 3 < int(survivors.sum()) < 12

    def same_draws(h: Tensor) -> Tensor:
        out = pruned(h, backward="full", seed=3)
        assert torch.equal(out != 0, survivors), "S must not move with h"
        return out

    inputs = (h.requires_grad_(True),)
    assert torch.autograd.gradcheck(same_draws, inputs, eps=1e-6, atol=1e-6, rtol=1e-6)


def test_backward_full_in_float32() -> None:
    h = signed_map(300).expand(10, -1).clone().requires_grad_(True)
    out = pruned(h, backward="full")
    (grad,) = torch.autograd.grad(out.square().sum(), h)
    wide = h.detach().double().requires_grad_(True)
    by_hand = pruned_by_hand(wide, (out != 0).double(), 300)
    (wanted,) = torch.autograd.grad(by_hand.square().sum(), wide)
    # Sums of 300 terms of both signs: errors relative to the largest gradient of the row. Where a
    # small share survives, its own scale nearly cancels against that scale's derivative.
    scale = (out / h).nan_to_num().detach().double()
    terms = wanted.abs().amax(1, keepdim=True) + (2 * out * scale).abs().detach()
    assert float(((grad - wanted).abs() / terms).max()) < 2e-6


def test_no_gradient_is_built_where_none_is_asked_for() -> None:
    h = torch.rand(4, 50, requires_grad=True)
    for mode in BACKWARDS:
        with torch.no_grad():
            assert not pruned(h, backward=mode).requires_grad


def test_sampling_never_moves_torchs_own_generator() -> None:
    state = torch.get_rng_state()
    pruned(torch.rand(4, 50, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), state)
