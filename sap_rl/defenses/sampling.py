"""Which units survive: the set of distinct indices among r draws with replacement."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sap_rl.seeds import Stream

Weights = Float[Tensor, "B a"]
Kept = Bool[Tensor, "B a"]
Sampler = Callable[[Tensor, int, Stream], Tensor]

TOP_UP_SIGMAS = 3.0
"""How far below r the Poisson stage aims: it overshoots once in 700 examples, and then is redone."""


def keep_probability(p: Weights, draws: int) -> Weights:
    """1 - (1 - p)^r, accurate in float32 down to the smallest p (the plain formula gives 0)."""
    return -torch.expm1(draws * torch.log1p(-p))


def exact(weights: Weights, draws: int, stream: Stream) -> Kept:
    """The distinct indices among `draws` draws with replacement, P(i) proportional to weights[i].

    weights [B, a] non-negative; rows are independent; an all-zero row keeps nothing. The joint law
    is the multinomial's. Let unit i ring at the times of a Poisson process of rate p_i, so that
    rings come at rate 1 in all and each names a unit with probability p_i, whatever its time. One
    exponential per unit gives its first ring; the repeats of the units that have rung by time m are
    one Poisson number per row. If at most r rings came by time m, a little below r, categorical
    draws supply the rest; if more, the row is redone. The number of rings says nothing about their
    labels, so rejection leaves the law as it is. Probabilities are right to 2^-24 in absolute value.
    """
    total = weights.sum(1, keepdim=True)
    horizon = max(draws - TOP_UP_SIGMAS * draws**0.5, 0.0)
    kept, missing = _ring_until(weights * _share(horizon, total), draws, stream)
    while bool((again := missing < 0).any()):
        rows = again.nonzero().squeeze(1)
        retry = weights[rows] * _share(horizon, total[rows])
        kept[rows], missing[rows] = _ring_until(retry, draws, stream)
    return _top_up(kept, weights, missing * (total.squeeze(1) > 0), stream)


def bernoulli(weights: Weights, draws: int, stream: Stream) -> Kept:
    """Each unit on its own with the exact marginal 1 - (1 - p)^r: an approximation.

    Unbiased like `exact`, but units are independent, where the multinomial's exclude each other.
    """
    keep = keep_probability(weights * _share(1.0, weights.sum(1, keepdim=True)), draws)
    uniform = stream.uniform(tuple(weights.shape), weights.device)
    return uniform < keep


SAMPLERS: dict[str, Sampler] = {"exact": exact, "bernoulli": bernoulli}
SAMPLER_VERSIONS = {"exact": "exact/1", "bernoulli": "bernoulli/1"}
"""Written into every result; the number grows when a sampler's draws change."""


def _share(amount: float, total: Float[Tensor, "B 1"]) -> Float[Tensor, "B 1"]:
    """amount / total, and 0 where the row holds nothing."""
    return torch.where(total > 0, amount / total, 0.0)


def _ring_until(rate: Weights, draws: int, stream: Stream) -> tuple[Kept, Int64[Tensor, "B"]]:
    """Units that rang at least once; rings missing from `draws`, negative where there are more."""
    spare = rate - stream.exponential(tuple(rate.shape), rate.device)
    kept = spare > 0
    repeats = stream.poisson(spare.clamp_min_(0).sum(1))
    return kept, draws - kept.sum(1) - repeats


def _top_up(
    kept: Kept, weights: Weights, missing: Int64[Tensor, "B"], stream: Stream
) -> Kept:
    """Add `missing[b]` categorical draws to row b."""
    most = int(missing.max()) if len(missing) else 0
    if most == 0:
        return kept
    cumulative = weights.cumsum(1)
    uniform = stream.uniform((len(weights), most), weights.device)
    index = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    live = torch.arange(most, device=weights.device) < missing[:, None]
    hits = torch.zeros_like(weights)
    hits.scatter_add_(1, index.clamp_max_(weights.shape[1] - 1), live.to(weights.dtype))
    return kept | ((hits > 0) & (weights > 0))
