"""The samplers' joint law against closed forms, enumeration and a naive twin; fixed seeds."""

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from scipy import stats
from torch import Tensor

from sap_rl import seeds
from sap_rl.defenses import kernel, sampling
from sap_rl.defenses.sampling import SAMPLER_VERSIONS, SAMPLERS, keep_probability
from sap_rl.seeds import Stream
from tests.defenses.naive_sap import (
    covariance_excess,
    keep_by_hand,
    marginal_excess,
    naive_kept,
    set_law,
    set_law_by_drawing,
)

LIMIT = 4.5
"""Standard errors; the largest of 2,000 independent z-scores stays below it 98.6% of the time."""


def spread(units: int) -> list[float]:
    weights = torch.rand(units, generator=torch.Generator().manual_seed(units)) ** 3
    return (weights / weights.sum()).tolist()


CASES = {
    "uniform, draws only": ([1 / 6] * 6, 6),
    "one draw": ([0.5, 0.3, 0.2], 1),
    "skewed": ([0.5, 0.3, 0.1, 0.05, 0.03, 0.02], 25),
    "zeros": ([0.4, 0, 0.3, 0.2, 0, 0.1], 12),
    "more draws than units": ([0.5, 0.3, 0.1, 0.06, 0.04], 14),
    "both stages": (spread(60), 60),
    "fewer draws than units": (spread(61), 20),
}
SIGMAS = {"far below": 1e3, "as shipped": sampling.TOP_UP_SIGMAS, "at r": 0.0, "above r": -1.0}
"""Where the Poisson stage aims: only draws; both stages; every second row redone; most redone."""


Kept = Callable[[str, Tensor, int, Stream], Tensor]


def torch_kept(sampler: str, p: Tensor, draws: int, stream: Stream) -> Tensor:
    return SAMPLERS[sampler](p, keep_probability(p, draws), draws, stream)


def compiled_kept(sampler: str, p: Tensor, draws: int, stream: Stream) -> Tensor:
    found = kernel.scale(p, draws, sampler, stream)
    assert found is not None
    return (found > 0).float()


@pytest.fixture(params=["compiled", "torch", "torch, generators of torch"])
def kept_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """(sampler, p [B, a], draws, stream) -> 1 where kept [B, a], in every implementation."""
    if "generators" in request.param:  # as on any other device
        monkeypatch.setattr(seeds, "NUMPY_DEVICES", ())
    return compiled_kept if request.param == "compiled" else torch_kept


def draw(kept_by: Kept, sampler: str, p: Tensor, draws: int, *, rows: int, seed: int = 1) -> Tensor:
    """[rows, a] sets from one p [a]."""
    return kept_by(sampler, p.expand(rows, -1).contiguous(), draws, Stream(seed))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("aim", SIGMAS)
def test_exact_sampler_has_the_multinomials_marginals_and_covariances(
    case: str, aim: str, kept_by: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "TOP_UP_SIGMAS", SIGMAS[aim])
    shares, draws = CASES[case]
    p = torch.tensor(shares)
    kept = draw(kept_by, "exact", p, draws, rows=40_000)
    assert marginal_excess(kept, p, draws) < LIMIT
    assert covariance_excess(kept, p, draws) < LIMIT


@pytest.mark.parametrize("case", CASES)
def test_bernoulli_has_the_marginals_and_fails_the_covariances(case: str, kept_by: Kept) -> None:
    shares, draws = CASES[case]
    p = torch.tensor(shares)
    kept = draw(kept_by, "bernoulli", p, draws, rows=200_000)
    assert marginal_excess(kept, p, draws) < LIMIT
    assert covariance_excess(kept, p, draws) > 1.5 * LIMIT


@pytest.mark.parametrize("case", CASES)
def test_the_naive_twin_passes_the_same_tests(case: str) -> None:
    shares, draws = CASES[case]
    p = torch.tensor(shares)
    kept = naive_kept(p.expand(40_000, -1), draws, torch.Generator().manual_seed(0))
    assert marginal_excess(kept, p, draws) < LIMIT
    assert covariance_excess(kept, p, draws) < LIMIT


def test_inclusion_and_exclusion_agrees_with_walking_through_all_draws() -> None:
    walked = set_law_by_drawing([0.5, 0.3, 0.2], 5)
    assert set_law([0.5, 0.3, 0.2], 5) == pytest.approx(walked, abs=1e-12)


@pytest.mark.parametrize("aim", SIGMAS)
@pytest.mark.parametrize(
    ("p", "draws"), [([0.5, 0.3, 0.2], 4), ([0.9, 0.07, 0.03], 16), ([0.98, 0.01, 0.01], 90)]
)
def test_law_of_the_set_of_three_units(
    p: list[float], draws: int, aim: str, kept_by: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "TOP_UP_SIGMAS", SIGMAS[aim])
    rows = 100_000
    kept = draw(kept_by, "exact", torch.tensor(p), draws, rows=rows, seed=3)
    code = (kept.long() * torch.tensor([1, 2, 4])).sum(1)
    found = torch.bincount(code, minlength=8).double().numpy()
    law = set_law(p, draws)
    wanted = [law.get(frozenset(i for i in range(3) if c >> i & 1), 0.0) for c in range(8)]
    assert found[0] == 0, "at least one unit is drawn"
    assert chi_square_p(found[1:], rows * torch.tensor(wanted[1:]).numpy()) > 1e-3


def chi_square_p(found: object, wanted: object) -> float:
    """p-value; cells that expect fewer than 5 are thrown together."""
    seen, due = torch.tensor(found).double(), torch.tensor(wanted).double()
    rare = due < 5
    if rare.any():
        seen = torch.cat([seen[~rare], seen[rare].sum()[None]])
        due = torch.cat([due[~rare], due[rare].sum()[None]])
    seen, due = seen[due > 1e-3], due[due > 1e-3]
    return float(stats.chi2.sf(float(((seen - due) ** 2 / due).sum()), len(due) - 1))


def test_number_of_survivors_has_the_law_of_the_naive_twin(kept_by: Kept) -> None:
    p = torch.tensor(spread(100))
    rows = 30_000
    fast = draw(kept_by, "exact", p, 100, rows=rows).sum(1).long()
    naive = naive_kept(p.expand(rows, -1), 100, torch.Generator().manual_seed(0)).sum(1).long()
    table = torch.stack([torch.bincount(counts, minlength=101) for counts in (fast, naive)])
    table = table[:, table.sum(0) > 20]
    assert stats.chi2_contingency(table.numpy()).pvalue > 1e-3
    independent = draw(kept_by, "bernoulli", p, 100, rows=rows).sum(1)
    assert float(independent.var()) > 1.3 * float(fast.double().var()), "the twins are told apart"


def test_every_row_has_its_own_law_and_rows_are_independent(kept_by: Kept) -> None:
    one, other = torch.tensor([0.7, 0.2, 0.1, 0.0]), torch.tensor([0.0, 0.05, 0.05, 0.9])
    draws, rows = 20, 40_000
    p = torch.stack([one, other]).repeat(rows, 1)
    kept = kept_by("exact", p, draws, Stream(5)).view(rows, 2, 4)
    assert marginal_excess(kept[:, 0], one, draws) < LIMIT
    assert marginal_excess(kept[:, 1], other, draws) < LIMIT
    assert covariance_excess(kept[:, 0], one, draws) < LIMIT
    centred = (kept - kept.mean(0)).double()
    across = centred[:, 0].T @ centred[:, 1] / rows
    sd = torch.outer(centred[:, 0].std(0), centred[:, 1].std(0)) / math.sqrt(rows)
    assert bool((across.abs() <= LIMIT * sd).all())


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_empty_rows_and_empty_batches_keep_nothing(sampler: str, kept_by: Kept) -> None:
    p = torch.tensor([[0.0] * 50, [0.02] * 50])
    kept = kept_by(sampler, p, 50, Stream(0))
    assert kept[0].sum() == 0
    assert 20 < kept[1].sum() < 45
    nobody = p[:0]
    assert kept_by(sampler, nobody, 50, Stream(0)).shape == (0, 50)


class Lowest(Stream):
    """Every uniform number is the lowest there is."""

    def uniform(self, shape: tuple[int, ...], device: torch.device) -> Tensor:
        return torch.zeros(shape, device=device)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("draws", [1, 5, 100])
def test_shares_below_the_random_numbers_steps_are_never_kept(sampler: str, draws: int) -> None:
    """Kept once in 2^24 times but scaled by 1 / (r p), they would swamp a gradient."""
    p = torch.tensor([[0.0, 1e-20, 1e-12, 0.4, 0.6, 0.0, 1e-15]])
    kept = SAMPLERS[sampler](p, keep_probability(p, draws), draws, Lowest(0))
    assert not kept[:, [0, 1, 2, 5, 6]].any()
    assert kept[:, [3, 4]].any()


def test_a_unit_with_all_the_mass_is_kept_and_no_other(kept_by: Kept) -> None:
    for draws in (1, 9, 10, 100, 12_800):
        kept = draw(kept_by, "exact", torch.tensor([0.0, 1.0, 0.0]), draws, rows=1000)
        assert torch.equal(kept.sum(0), torch.tensor([0.0, 1000.0, 0.0]))


def test_large_maps_keep_what_the_closed_form_says(kept_by: Kept) -> None:
    p = torch.tensor(spread(12_800))
    rows = 200
    kept = draw(kept_by, "exact", p, 12_800, rows=rows)
    keep = keep_by_hand(p, 12_800)
    assert float(kept.mean(0).double().sub(keep).sum()) == pytest.approx(
        0, abs=LIMIT * math.sqrt(float((keep * (1 - keep)).sum()) / rows)
    )
    # In 64 groups of equal p, frequencies are sharp: 200 * 200 trials each.
    groups = keep.argsort().view(64, 200)
    error = (kept.mean(0).double() - keep)[groups].mean(1)
    sd = ((keep * (1 - keep))[groups].mean(1) / (200 * rows)).sqrt()
    assert float((error.abs() / sd).max()) < LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("aim", ["as shipped", "at r"])
def test_a_million_sets(aim: str, kept_by: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "TOP_UP_SIGMAS", SIGMAS[aim])
    p = torch.tensor(spread(40))
    kept = torch.cat([draw(kept_by, "exact", p, 40, rows=100_000, seed=s) for s in range(10)])
    assert marginal_excess(kept, p, 40) < LIMIT
    assert covariance_excess(kept, p, 40) < LIMIT


def every_p() -> Iterator[float]:
    yield from (1e-30, 1e-12, 1e-9, 2e-8, 1e-7, 1e-5, 1e-3, 0.1, 0.5, 0.999, 1.0)


@pytest.mark.parametrize("draws", [1, 2, 512, 12_544, 100_000])
def test_keep_probability_is_right_in_float32(draws: int) -> None:
    p = torch.tensor([list(every_p())])
    found = keep_probability(p, draws)
    # Three roundings to 24 bits, and log1p amplifies the one of p near 1 where keep is 1 anyway.
    torch.testing.assert_close(found.double(), keep_by_hand(p, draws), rtol=5e-7, atol=0)


def test_the_plain_formula_would_not_do() -> None:
    p = torch.tensor([2e-8, 1e-7])
    plain = 1 - (1 - p) ** 12_544
    assert plain[0] == 0
    assert float(plain[1] / keep_by_hand(p, 12_544)[1]) == pytest.approx(1.19, abs=0.01)


def test_every_sampler_has_a_version() -> None:
    assert SAMPLERS.keys() == SAMPLER_VERSIONS.keys()
    assert SAMPLER_VERSIONS == {"exact": "exact/1", "bernoulli": "bernoulli/1"}
    assert kernel.VERSIONS == {"exact": "exact/2", "bernoulli": "bernoulli/2"}
