"""Named streams: golden seeds, independence, what copies keep."""

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from sap_rl import seeds
from sap_rl.seeds import Stream, numpy_stream, stream_seed, torch_stream

CPU = torch.device("cpu")


@pytest.fixture(params=["numpy", "torch"])
def _both_generators(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams as on the CPU, and as on any other device."""
    if request.param == "torch":
        monkeypatch.setattr(seeds, "NUMPY_DEVICES", ())


def test_golden_seeds() -> None:
    """These seed every published episode: they must never change."""
    assert stream_seed(0) == 4246866556266386882
    assert stream_seed(0, "env", 17) == 1786349276781521452
    assert stream_seed(12345, "policy", "sap-100") == 3738231051768582390
    assert stream_seed(2**62, "bootstrap") == 2952797042003524395
    assert stream_seed(0, "policy", "noise-control") == 5573491061195612954, "of its first name"
    assert stream_seed(3, "bootstrap", "change", "4.0", "own") == 7584081964627249237


def test_golden_numbers() -> None:
    """numpy's SFC64 and torch's CPU generator give the same integers everywhere."""
    assert numpy_stream(0, "env").integers(1000, size=4).tolist() == [154, 943, 178, 601]
    drawn = torch.randint(1000, (4,), generator=torch_stream(0, "env"))
    assert drawn.tolist() == [799, 324, 823, 984]


def test_seeds_are_63_bits_and_differ() -> None:
    names = [(s, n, i) for s in range(5) for n in ("env", "policy", "epsilon") for i in range(200)]
    found = [stream_seed(s, n, i) for s, n, i in names]
    assert len(set(found)) == len(names)
    assert min(found) >= 0
    assert 2**62 < max(found) < 2**63


def test_equal_names_give_equal_streams_and_others_unrelated_ones() -> None:
    draw = {
        name: numpy_stream(3, *name).random(5000)
        for name in (("a",), ("b",), ("a", 0), ("a", 1), ("a", "0", "x"))
    }
    for name, values in draw.items():
        assert np.array_equal(values, numpy_stream(3, *name).random(5000))
        assert not np.array_equal(values, numpy_stream(4, *name).random(5000))
    correlation = np.corrcoef(list(draw.values())) - np.eye(len(draw))
    assert np.abs(correlation).max() < 4.5 / np.sqrt(5000)
    one, two = (torch.rand(9, generator=torch_stream(3, name)) for name in ("a", "b"))
    assert not torch.equal(one, two)


DRAWS: dict[str, Callable[[Stream], Tensor]] = {
    "uniform": lambda stream: stream.uniform((40_000,), CPU),
    "exponential": lambda stream: stream.exponential((40_000,), CPU),
    "normal": lambda stream: stream.normal((40_000,), CPU),
    "poisson": lambda stream: stream.poisson(torch.full((40_000,), 3.5)),
    "binomial": lambda stream: stream.binomial(
        torch.full((40_000,), 9), torch.full((40_000,), 0.3)
    ),
}
LAWS = {
    "uniform": stats.uniform(),
    "exponential": stats.expon(),
    "normal": stats.norm(),
    "poisson": stats.poisson(3.5),
    "binomial": stats.binom(9, 0.3),
}


@pytest.mark.usefixtures("_both_generators")
@pytest.mark.parametrize("kind", DRAWS)
def test_laws(kind: str) -> None:
    values = DRAWS[kind](Stream(0))
    if values.dtype == torch.int64:
        counts = np.bincount(values.numpy(), minlength=30)[:30]
        due = len(values) * LAWS[kind].pmf(np.arange(30))
        seen, due = counts[due > 10], due[due > 10]
        assert stats.chi2.sf(((seen - due) ** 2 / due).sum(), len(due) - 1) > 1e-3
    else:
        assert values.dtype == torch.float32
        assert stats.kstest(values.double().numpy(), LAWS[kind].cdf).pvalue > 1e-3


@pytest.mark.usefixtures("_both_generators")
def test_edges() -> None:
    stream = Stream(0)
    assert 0 <= float(stream.uniform((10**6,), CPU).min()) < 1e-5
    assert float(stream.uniform((10**6,), CPU).max()) < 1
    assert float(stream.exponential((10**6,), CPU).min()) >= 0
    assert stream.exponential((10**6,), CPU).isfinite().all()
    assert stream.poisson(torch.zeros(4)).tolist() == [0] * 4
    assert stream.poisson(-torch.zeros(4)).tolist() == [0] * 4
    trials, chance = torch.tensor([0, 7, 7]), torch.tensor([0.5, 0.0, 1.0])
    assert stream.binomial(trials, chance).tolist() == [0, 0, 7]
    assert stream.uniform((0, 3), CPU).shape == (0, 3)


@pytest.mark.usefixtures("_both_generators")
@pytest.mark.parametrize("kind", DRAWS)
def test_streams_repeat_by_seed_and_copies_go_on_where_they_were(kind: str) -> None:
    draw, stream = DRAWS[kind], Stream(5)
    first = draw(stream)
    assert torch.equal(draw(Stream(5)), first)
    assert not torch.equal(draw(Stream(6)), first)
    copies = [copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))]
    second = draw(stream)
    assert not torch.equal(second, first)
    assert all(torch.equal(draw(twin), second) for twin in copies)
    assert torch.equal(draw(copies[0]), draw(stream)), "and move on their own"


def test_a_stream_without_a_seed_is_fresh() -> None:
    one, two = Stream(), Stream(None)
    assert one.seed != two.seed
    assert torch.equal(Stream(one.seed).uniform((5,), CPU), one.uniform((5,), CPU))
