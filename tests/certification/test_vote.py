"""Votes over noise: a closed form, the order statistics, a small agent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import sap_rl
from sap_rl import Agent, Preprocess
from sap_rl.certification.results import read_certificate
from sap_rl.certification.vote import ALPHA, VoteCertifier, lengths
from sap_rl.cli import main
from sap_rl.defenses.noise_vote import NoiseVote
from sap_rl.errors import UsageError
from tests.certification.little import record_little

SIGMA = 16.0
SHAPE = (2, 6, 6)
PIXELS = 72


def linear(gap: float) -> tuple[nn.Module, float]:
    """A network of three actions whose values are linear in the frames, the second `gap` above the
    first on black ones; and the lambda, in root mean square, at which the first catches up."""
    layer = nn.Linear(PIXELS, 3).double()
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-1, 1, 3 * PIXELS).view(3, -1))
        layer.bias.copy_(torch.tensor([0.0, gap, -50.0]))
    first, second = layer.weight.detach()[:2].norm(dim=1)
    return nn.Sequential(nn.Flatten(), layer), gap / float(first + second) * 255 / PIXELS**0.5


def certifier(module: nn.Module, looks: int = 4000) -> VoteCertifier:
    return VoteCertifier(NoiseVote(module, SIGMA, 4, "median", 0), looks, seed=0)


def test_a_linear_networks_radius_is_nearly_its_own() -> None:
    """Per action the median moves by the length times the weights' norm; both meet half way."""
    black = torch.zeros(8, *SHAPE, dtype=torch.float64)
    for gap in (0.3, 0.6):
        module, exact = linear(gap)
        found = torch.cat(list(certifier(module).radii(black)))
        assert found.max() <= exact
        assert found.min() > 0.75 * exact
        assert (certifier(module).actions(black) == 1).all()


def test_it_is_certified_up_to_its_radius() -> None:
    module, exact = linear(0.5)
    frames = torch.zeros(5, *SHAPE, dtype=torch.float64)
    (radii, more), (kept, rest) = (
        list(certifier(module).radii(frames)),
        list(certifier(module).shares(frames, 0.85 * exact)),
    )
    assert (len(radii), len(more), len(rest)) == (4, 1, 1)
    assert torch.equal(kept, radii >= 0.85 * exact)


def test_where_looks_do_not_tell_there_is_no_action() -> None:
    module, _ = linear(0.001)
    black = torch.zeros(2, *SHAPE, dtype=torch.float64)
    assert certifier(module, 100).actions(black).tolist() == [-1, -1]
    assert torch.cat(list(certifier(module, 100).radii(black))).tolist() == [0, 0]
    assert list(certifier(module).shares(black[:0], 1.0)) == []


def test_more_actions_and_fewer_looks_prove_less() -> None:
    """The length at rank k is that at which k of the looks below it are as rare as allowed."""
    found = lengths(1000, 18)
    alpha = ALPHA / (2 * 18 * 500)
    for rank in (1, 10, 100, 300):
        below = stats.norm.cdf(-found[rank - 1])
        assert stats.binom.cdf(rank - 1, 1000, below) == pytest.approx(alpha)
    assert (np.diff(found) <= 0).all()
    assert found[-1] == 0
    assert lengths(100, 18)[0] < found[0] < lengths(1000, 4)[0]


@pytest.fixture(scope="module")
def small() -> Iterator[Agent]:
    """An agent of random weights whose frames are small, and whose games are few."""
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        record_little(patch, games=4)
        torch.manual_seed(1)
        module = nn.Sequential(
            nn.Conv2d(4, 4, 8, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 18)
        )
        yield Agent(module, Preprocess(height=36, width=36), name="small", game="BankHeist")


def test_a_vote_is_certified_in_games(small: Agent) -> None:
    voting = small.defend("noise-vote-8", vote="median")
    options = {"lam": (0.02, 50.0), "frames": 32, "steps": 2, "looks": 100}
    found = sap_rl.certify(voting, "BankHeist", radius=True, **options)
    near, far = found.row(0.02), found.row(50.0)
    assert near.certified.mean > far.certified.mean == 0
    assert far.broken > 0
    assert near.certified.mean == np.mean(np.array(found.radius["clean"]) >= 0.02)
    text = " ".join(str(found).split())
    assert "small's actions in BankHeist behind noise-vote-8" in text
    assert "root mean square over all pixels" in text
    assert "at 99.9% confidence per frame (100 noisy copies)" in text
    assert read_certificate(found.to_json()) == found
    assert sap_rl.certify(voting, "BankHeist", **options).rows == found.rows


def test_a_mean_and_other_random_players_are_refused(
    small: Agent, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="bounds of a median, not of a mean: choose vote median"):
        sap_rl.certify(small.defend("noise-vote-8"), "BankHeist")
    with pytest.raises(UsageError, match="or one that votes over noise"):
        sap_rl.certify(small.defend("dropout-0.1"), "BankHeist")
    with pytest.raises(UsageError, match="looks must be at least 2, got 1"):
        sap_rl.certify(small, "BankHeist", looks=1)
    assert main(["certify", "--game", "BankHeist", "--vote", "median"]) == 2
    assert "vote belongs to a defence: say --defense noise-vote-8" in capsys.readouterr().err
    assert main(["certify", "--game", "BankHeist", "--defense", "noise-vote-8"]) == 2
    assert "choose vote median" in capsys.readouterr().err
