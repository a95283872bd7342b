"""Which units survive: the set of distinct indices among r draws with replacement.

In torch, for every device and precision; `kernel` holds the same laws compiled for the CPU.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sap_rl.seeds import Stream

Shares = Float[Tensor, "B a"]
Kept = Float[Tensor, "B a"]
Counts = Int64[Tensor, "B"]
Sampler = Callable[[Tensor, Tensor, int, Stream], Tensor]

HALF_STEP = 2.0**-25
"""Random numbers have 24 bits; what is rarer than half a step is never drawn, for its scale would
be as large as it is rare."""

TOP_UP_SIGMAS = 3.0
"""How far below r the Poisson draws aim: one example in 700 overshoots and is redone."""


def keep_probability(p: Shares, draws: int) -> Shares:
    """1 - (1 - p)^r, accurate in float32 down to the smallest p (the plain formula gives 0)."""
    return -(-p).log1p_().mul_(draws).expm1_()


def exact(p: Shares, _keep: Shares, draws: int, stream: Stream) -> Kept:
    """The distinct indices among `draws` draws with replacement from Categorical(p).

    p [B, a]: rows are independent; each sums to 1, or is all zero and keeps nothing. The joint law
    is the multinomial's. Let unit i ring at the times of a Poisson process of rate p_i, so that
    rings come at rate 1 in all and each names a unit with probability p_i, whatever its time. One
    exponential per unit gives its first ring; the repeats of the units that have rung by time m are
    one Poisson number per row. If at most r rings came by time m, a little below r, categorical
    draws supply the rest; if more, the row is redone. The number of rings says nothing about their
    labels, so rejection leaves the law as it is. Probabilities are right to about 1e-7 in absolute
    value.
    """
    until = horizon(draws)
    kept, missing = _ring_until(p, until, draws, stream)
    while bool((again := missing < 0).any()):
        rows = again.nonzero().squeeze(1)
        kept[rows], missing[rows] = _ring_until(p[rows], until, draws, stream)
    return _top_up(kept, p, missing, stream)


def horizon(draws: int) -> float:
    """The time until which units ring: a little below r, so that few rows are redone."""
    return float(max(draws - TOP_UP_SIGMAS * draws**0.5, 0.0))


def bernoulli(p: Shares, keep: Shares, _draws: int, stream: Stream) -> Kept:
    """Each unit on its own with the exact marginal `keep`: an approximation.

    Unbiased like `exact`, but units are independent, where the multinomial's exclude each other.
    """
    return stream.uniform(tuple(p.shape), p.device).lt_(keep - HALF_STEP)


SAMPLERS: dict[str, Sampler] = {"exact": exact, "bernoulli": bernoulli}
"""Name -> (p [B, a], 1 - (1 - p)^r [B, a], r, stream) -> 1 where kept, else 0 [B, a]."""

SAMPLER_VERSIONS = {"exact": "exact/1", "bernoulli": "bernoulli/1"}
"""Written into every result; the number grows when a sampler's draws change."""


def _ring_until(p: Shares, until: float, draws: int, stream: Stream) -> tuple[Kept, Counts]:
    """Units that rang at least once; rings missing from `draws`, negative where there are more."""
    late = stream.exponential(tuple(p.shape), p.device).sub_(p, alpha=until)
    repeats = stream.poisson(-late.clamp_max(0).sum(1))
    kept = late.lt_(-HALF_STEP)
    return kept, draws - kept.sum(1).long() - repeats


def _top_up(kept: Kept, p: Shares, missing: Counts, stream: Stream) -> Kept:
    """Add `missing[b]` categorical draws to row b, making only those that hit a new unit."""
    left = (p - p * kept).cumsum(1)
    mass = left[:, -1:]
    new = stream.binomial(missing, mass.squeeze(1).clamp_max(1))
    most = max(new.tolist(), default=0)
    point = stream.uniform((len(p), most), p.device).clamp_min_(HALF_STEP) * mass
    index = torch.searchsorted(left, point, right=True).clamp_max_(p.shape[1] - 1)
    wanted = torch.arange(most, device=p.device) < new[:, None]
    return kept.scatter_reduce_(1, index, wanted.to(kept.dtype), "amax")
