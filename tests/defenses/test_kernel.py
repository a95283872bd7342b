"""The compiled samplers' parts against wide arithmetic, and what their draws depend on."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from sap_rl.defenses import kernel, loops
from sap_rl.defenses.sap import sap
from sap_rl.networks.nature import nature_network
from sap_rl.seeds import Stream

pytestmark = pytest.mark.skipif(not kernel.AVAILABLE, reason="needs numba")


@pytest.fixture
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def relu_maps(rows: int, units: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(rows, units, generator=generator) - 0.3).clamp_min(0)


@pytest.mark.parametrize("draws", [1, 2, 37, 512, 12_544, 10_000_000])
def test_factors_are_right_at_every_share(draws: int) -> None:
    shares = np.concatenate([np.logspace(-17, -0.0001, 4000), np.linspace(0.2, 0.999, 500)]).astype(
        np.float32
    )
    share, factor = shares.copy(), np.empty_like(shares)
    loops.scales(share, len(shares), np.float32(1.0), draws, factor)
    with np.errstate(under="ignore"):
        keep = -np.expm1(draws * np.log1p(-shares.astype(np.float64)))
    # Roundings of the logarithm, of its product with r, and of the exponential.
    np.testing.assert_allclose(factor, 1 / keep, rtol=6e-7)


def test_shares_are_the_values_over_their_total() -> None:
    row = relu_maps(1, 999)[0].numpy()
    place, share = np.empty(1000, np.int32), np.empty(1000, np.float32)
    count = loops.compress(row, place, share)
    assert place[:count].tolist() == np.flatnonzero(row).tolist()
    loops.scales(share, count, loops.total_of(row), 5, np.empty(1000, np.float32))
    np.testing.assert_allclose(share[:count], row[row > 0] / row.sum(dtype=np.float64), rtol=4e-7)


def test_first_rings_are_exponential_and_differ() -> None:
    count = 2_000_000
    late, share = np.empty(count, np.float32), np.zeros(count, np.float32)
    loops.ring(share, count, 0.0, np.uint64(7), late)
    assert stats.kstest(late, "expon").pvalue > 1e-3
    small = late[late < 1e-4]  # where 1 - v would have lost its digits
    assert len(small) == pytest.approx(200, abs=60)
    assert stats.kstest(small / 1e-4, "uniform").pvalue > 1e-3
    assert late.min() >= 2.0**-25
    again = np.empty_like(late)
    loops.ring(share, count, 0.0, np.uint64(8), again)
    assert abs(np.corrcoef(late, again)[0, 1]) < 4 / count**0.5
    assert abs(np.corrcoef(late[1:], late[:-1])[0, 1]) < 4 / count**0.5


@pytest.mark.parametrize("mean", [0.0, 0.3, 4.0, 9.9, 10.1, 60.0, 9_000.0])
def test_poisson_numbers(mean: float) -> None:
    numbers, at = [], 0
    for _ in range(40_000):
        number, at = loops.poisson(mean, np.uint64(11), at)
        numbers.append(number)
    found = np.array(numbers)
    if mean == 0:
        assert not found.any()
        return
    assert found.mean() == pytest.approx(mean, abs=4.5 * (mean / len(found)) ** 0.5)
    edges = np.unique(stats.poisson.ppf(np.linspace(0.02, 0.98, 25), mean))
    seen = np.histogram(found, [-0.5, *(edges + 0.5), np.inf])[0]
    due = np.diff(np.concatenate([[0], stats.poisson.cdf(edges, mean), [1]])) * len(found)
    assert stats.chisquare(seen, due).pvalue > 1e-3


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("sampler", kernel.VERSIONS)
def test_draws_depend_neither_on_threads_nor_on_the_batch(sampler: str) -> None:
    flat = relu_maps(40, 12_800)
    found = []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        found.append(kernel.scale(flat, 12_800, sampler, Stream(3)))
    assert found[0] is not None
    assert all(torch.equal(found[0], other) for other in found[1:])  # type: ignore[arg-type]
    part = kernel.scale(flat[:7].contiguous(), 12_800, sampler, Stream(3))
    assert torch.equal(found[0][:7], part)  # type: ignore[arg-type]
    assert len((found[0] > 0).unique(dim=0)) == 40


@pytest.mark.usefixtures("_threads")
def test_a_row_that_is_not_finite_is_found_in_every_threads_part() -> None:
    torch.set_num_threads(4)
    for row in (0, 17, 39):
        flat = relu_maps(40, 12_800)
        flat[row, 5] = float("nan")
        assert kernel.scale(flat, 12_800, "exact", Stream(0)) is None


def test_pruned_values_are_values_times_scale_bit_for_bit() -> None:
    flat = relu_maps(9, 3_136)
    flat[2] = 0
    flat[:, ::7] *= -1
    scale = kernel.scale(flat, 3_136, "exact", Stream(2))
    found = kernel.pruned(flat, 3_136, "exact", Stream(2))
    assert scale is not None
    assert torch.equal(found, flat * scale)  # type: ignore[arg-type]


@pytest.mark.parametrize("total", [1e-45, 1e-42, 1e-39, 1e-37, 1e34])
@pytest.mark.parametrize("sampler", kernel.VERSIONS)
def test_maps_of_any_size_are_pruned_alike(total: float, sampler: str) -> None:
    """The inverse of a denormal total is infinite: shares are quotients, never products."""
    found = kernel.scale(torch.full((200, 400), total), 400, sampler, Stream(1))
    assert found is not None
    keep = 1 - (1 - 1 / 400) ** 400
    assert float((found > 0).float().mean()) == pytest.approx(keep, abs=0.01)
    assert float(found.max()) == pytest.approx(1 / keep, rel=1e-5)


@pytest.mark.parametrize("sampler", kernel.VERSIONS)
def test_golden_draws(sampler: str) -> None:
    """If these change, so does the sampler's version, and CHANGELOG says so under [results]."""
    found = kernel.scale(relu_maps(2, 64, seed=1), 64, sampler, Stream(5))
    assert found is not None
    assert (found[0] > 0).nonzero().flatten().tolist() == GOLDEN[kernel.VERSIONS[sampler]]


def test_one_defended_network_in_two_threads_draws_for_both() -> None:
    defended = sap(nature_network(3), seed=0)
    obs = torch.rand(2, 4, 84, 84)
    defended(obs)
    outputs: list[torch.Tensor] = []

    def play() -> None:
        with torch.no_grad():
            outputs.extend(copy.deepcopy(defended)(obs) for _ in range(3))
            outputs.extend(defended(obs) for _ in range(3))

    threads = [threading.Thread(target=play) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outputs) == 12
    assert all(out.isfinite().all() for out in outputs)


GOLDEN = {
    "exact/2": [13, 18, 20, 23, 24, 32, 44, 46, 49, 52, 54, 55, 60],
    "bernoulli/2": [13, 15, 20, 23, 24, 32, 44, 46, 49, 53, 54, 55, 57, 60],
}


@pytest.mark.parametrize("damage", ["index", "full disk"])
def test_damaged_or_unwritable_compiled_code_is_made_anew(damage: str, tmp_path: Path) -> None:
    """An index that ends in its middle, and a full disk as the limit on a file's size has it: every
    write fails."""
    how = {
        "index": "import pickle\nfor found in vars(loops).values():\n"
        "    if isinstance(found, loops.Dispatcher):\n"
        "        path = pathlib.Path(found._cache._cache_file._index_path)\n"
        "        path.parent.mkdir(parents=True, exist_ok=True)\n"
        "        path.write_bytes(pickle.dumps('0' * 40)[:20])\n",
        "full disk": "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n",
    }
    sample = (
        "import pathlib, numpy as np\nfrom sap_rl.defenses import kernel, loops\n"
        f"{how[damage]}kernel._compile()\n"
        "one = np.ones((1, 2), np.float32)\n"
        "assert loops.rows(one, one.copy(), 0, 1, 2, 0.0, np.uint64(0), True)\n"
        "assert isinstance(loops.rows._cache, loops.NullCache), 'nothing was damaged'\n"
    )
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", sample]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
