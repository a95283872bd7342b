"""Slow, plain twins of SAP and its closed forms."""

from itertools import combinations, product

import torch
from torch import Tensor


def naive_kept(p: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """The distinct indices among `draws` draws per row, by drawing them. [B, a] -> 1.0 or 0.0."""
    index = torch.multinomial(p, draws, replacement=True, generator=generator)
    return torch.zeros_like(p).scatter_(1, index, 1.0)


def keep_by_hand(p: Tensor, draws: int) -> Tensor:
    """1 - (1 - p)^r in float64."""
    return -torch.expm1(draws * torch.log1p(-p.double()))


def pruned_by_hand(h: Tensor, kept: Tensor, draws: int) -> Tensor:
    """SAP's output with the survivors given: the formula as the paper writes it."""
    p = h.abs() / h.abs().sum(1, keepdim=True)
    keep = torch.where(kept > 0, 1 - (1 - p) ** draws, 1.0)
    return kept * h / keep


def joint_cells(p: Tensor, draws: int) -> Tensor:
    """P(i in, j in), P(in, out), P(out, in), P(out, out) under r draws; [a] -> [4, a, a].

    The diagonal is meaningless.
    """
    q = p.double()
    out = (1 - q) ** draws
    neither = (1 - q[:, None] - q[None, :]).clamp_min(0) ** draws
    return torch.stack(
        [
            1 - out[:, None] - out[None, :] + neither,
            out[None, :] - neither,
            out[:, None] - neither,
            neither,
        ]
    )


def covariance_by_hand(p: Tensor, draws: int) -> Tensor:
    """(1 - p_i - p_j)^r - (1 - p_i)^r (1 - p_j)^r, [a] -> [a, a]."""
    out = (1 - p.double()) ** draws
    return joint_cells(p, draws)[3] - torch.outer(out, out)


def set_law_by_drawing(p: list[float], draws: int) -> dict[frozenset[int], float]:
    """P(S = T) for every T, by walking through every sequence of draws."""
    law: dict[frozenset[int], float] = {}
    for sequence in product(range(len(p)), repeat=draws):
        chance = 1.0
        for index in sequence:
            chance *= p[index]
        distinct = frozenset(sequence)
        law[distinct] = law.get(distinct, 0.0) + chance
    return law


def set_law(p: list[float], draws: int) -> dict[frozenset[int], float]:
    """P(S = T) for every T, by inclusion and exclusion."""
    units = range(len(p))
    sets = [frozenset(c) for size in units for c in combinations(units, size + 1)]
    return {
        t: sum((-1) ** (len(t) - len(u)) * sum(p[i] for i in u) ** draws for u in sets if u <= t)
        for t in sets
    }


def marginal_excess(kept: Tensor, p: Tensor, draws: int) -> float:
    """Largest z-score of the keep frequencies against 1 - (1 - p)^r. kept [n, a], p [a].

    Of units that are expected to be kept and dropped at least 30 times; certain ones must obey.
    """
    keep, n = keep_by_hand(p, draws), len(kept)
    found = kept.double().mean(0)
    assert torch.equal(found[keep == 0], keep[keep == 0]), "a unit of probability 0 was kept"
    shown = n * torch.minimum(keep, 1 - keep) > 30
    sd = (keep * (1 - keep) / n).sqrt()
    return float(((found - keep).abs() / sd)[shown].max())


def covariance_excess(kept: Tensor, p: Tensor, draws: int) -> float:
    """Largest z-score of the pairwise covariances of inclusion against the multinomial's.

    Of pairs of which at least three outcomes are expected 30 times and the fourth too or never.
    """
    n, cells, keep = len(kept), joint_cells(p, draws), keep_by_hand(p, draws)
    centred = kept.double() - keep
    found = centred.T @ centred / n
    wanted = covariance_by_hand(p, draws)
    square = torch.stack([(1 - keep) ** 2, keep**2])  # of the centred indicator, when in and out
    second = sum(
        cells[2 * i + j] * torch.outer(square[i], square[j]) for i in range(2) for j in range(2)
    )
    sd = ((second - wanted**2).clamp_min(0) / n).sqrt()
    often, never = n * cells > 30, cells < 1e-12
    shown = (often | never).all(0) & (often.sum(0) >= 3) & ~torch.eye(len(p), dtype=torch.bool)
    return float(((found - wanted).abs() / sd)[shown].max())
