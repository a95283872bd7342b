"""How often the 95% intervals of 30 episodes hold the truth, method by method, with their widths.

    python benchmarks/interval_coverage.py --trials 4000

Four kinds of returns whose true mean, or true change, is known (docs/statistics.md): simulated
evaluations, an interval of each by every method, the share that holds the truth and the median
width. Methods: BCa; the percentile interval; both widened as Student's t asks (Hesterberg 2015,
arXiv 1411.5279, section 4), and by `EXTRA_REACH`, which with BCa is what sap_rl prints; the
studentised bootstrap, where needed on influence values; Student's t after Hall's transformation
(1992).
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, stdtrit

from sap_rl.statistics.intervals import EXTRA_REACH

Array = npt.NDArray[np.float64]
EPISODES = 30
RESAMPLES = 999
NORMAL = float(ndtri(0.975))
STUDENT = float(stdtrit(EPISODES - 1, 0.975))
WIDENED = STUDENT * math.sqrt(EPISODES / (EPISODES - 1))


def lognormal(rng: np.random.Generator) -> Array:
    return rng.lognormal(0, 1, (1, EPISODES))


def jackpots(rng: np.random.Generator) -> Array:
    rare = rng.random((1, EPISODES)) < 0.2
    return np.where(rare, rng.gamma(4, 25, rare.shape), rng.exponential(2, rare.shape))


def lognormal_arms(rng: np.random.Generator) -> Array:
    shared, own = rng.standard_normal((2, EPISODES))
    return np.stack([np.exp(shared), 1.2 * np.exp(0.8 * shared + 0.6 * own)])


def jackpot_arms(rng: np.random.Generator) -> Array:
    shared = np.where(rng.random(EPISODES) < 0.2, rng.gamma(4, 25, EPISODES), 0.0)
    first, second = rng.exponential(2, (2, EPISODES))
    return np.stack([shared + first, 0.7 * shared + second])


CASES: dict[str, tuple[Callable[[np.random.Generator], Array], float]] = {
    "mean, lognormal": (lognormal, math.exp(0.5)),
    "mean, jackpots": (jackpots, 21.6),
    "change, lognormal": (lognormal_arms, 1.2),
    "change, jackpots": (jackpot_arms, 16 / 22),
}
"""What is drawn [arms, episodes], and the true mean of one arm or ratio of the means of two."""


def estimated(returns: Array) -> tuple[Array, Array, Array]:
    """Mean or ratio of means [...] of returns [..., arms, E], its standard error, and every
    episode's influence on it [..., E]."""
    means = returns.mean(-1)
    if returns.shape[-2] == 1:
        value, influence = means[..., 0], returns[..., 0, :] - means
    else:
        value = means[..., 1] / means[..., 0]
        parts = returns[..., 1, :] - value[..., None] * returns[..., 0, :]
        influence = parts / means[..., :1]
    return value, influence.std(-1, ddof=1) / math.sqrt(EPISODES), influence


def intervals(returns: Array, rng: np.random.Generator) -> Iterator[tuple[str, float, float]]:
    """Each method's interval of one evaluation."""
    value, error, influence = estimated(returns)
    drawn = returns[:, rng.integers(0, EPISODES, (RESAMPLES, EPISODES))].transpose(1, 0, 2)
    again, errors, _ = estimated(drawn)
    left_out = np.array([estimated(np.delete(returns, i, 1))[0] for i in range(EPISODES)])
    deviations = left_out.mean() - left_out
    slope = (deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5)
    below = (np.mean(again < value) + np.mean(again <= value)) / 2
    bias = ndtri(np.clip(below, 1e-9, 1 - 1e-9))
    reaching = NORMAL * (1 + EXTRA_REACH / EPISODES)
    for name, far in (("", NORMAL), (", t", WIDENED), (", reaching further", reaching)):
        ends = [bias + (bias + z) / (1 - slope * (bias + z)) for z in (-far, far)]
        yield f"BCa{name}", *np.quantile(again, ndtr(ends))
        yield f"percentile{name}", *np.quantile(again, ndtr([-far, far]))
    studentised = (again - value) / np.where(errors > 0, errors, np.inf)
    high, low = np.quantile(studentised, [0.975, 0.025])
    yield "studentised", float(value - high * error), float(value - low * error)
    yield "Hall", *_hall(float(value), float(error), influence)


def _hall(value: float, error: float, influence: Array) -> tuple[float, float]:
    """Student's t after the cubic transformation that takes the skewness away."""
    centred = influence - influence.mean()
    skew = float((centred**3).mean() / (centred**2).mean() ** 1.5)
    ends = [
        (np.cbrt(1 + skew * (t / math.sqrt(EPISODES) - skew / (6 * EPISODES))) - 1) * 3 / skew
        for t in (STUDENT, -STUDENT)
    ]
    low, high = (value - end * error * math.sqrt(EPISODES) for end in ends)
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage of intervals at 30 episodes.")
    parser.add_argument("--trials", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    print("case | method | covered | truth below | truth above | median width")
    for case, (draw, truth) in CASES.items():
        found: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for _ in range(args.trials):
            for name, low, high in intervals(draw(rng), rng):
                found[name].append((low, high))
        for name, bounds in found.items():
            low, high = np.array(bounds).T
            inside = np.mean((low <= truth) & (truth <= high))
            print(
                f"{case} | {name} | {inside:.1%} | {np.mean(truth < low):.1%} | "
                f"{np.mean(truth > high):.1%} | {np.median(high - low):.3g}",
                flush=True,
            )


if __name__ == "__main__":
    main()
