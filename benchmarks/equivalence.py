"""Do returns change with the sampler's implementation, or with the precision? 100 episodes each.

    OMP_NUM_THREADS=2 python -m benchmarks.equivalence [--episodes 100] [--only sampler|precision]

Samplers: SAP-100 in clean play. Precisions: the undefended agent, clean and under FGSM at lambda
0.25, where returns still have somewhere to go. Prints the means of both sides and the 99% interval
of the paired difference (BCa over episodes).
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from benchmarks.sap_forward import without_numba
from sap_rl import Agent, evaluate, load_agent
from sap_rl.evaluation.results import Row
from sap_rl.statistics.intervals import difference_interval

LAM = 0.25


def play(player: Agent, *, lam: float, episodes: int, precision: str = "float32") -> list[Row]:
    """Its rows, clean and attacked, on the same episodes."""
    found = evaluate(
        player, "BankHeist", lam=lam, precision=precision, controls=False, episodes=episodes,
        seed=5_000_000,
    )  # fmt: skip
    return list(found.rows)


def compare(label: str, old: list[Row], new: list[Row]) -> None:
    """One line per lambda."""
    for before, after in zip(old, new, strict=True):
        rng = np.random.default_rng(0)
        change = difference_interval(after.returns, before.returns, rng=rng, level=0.99)
        means = f"{before.mean:.1f} and {after.mean:.1f}, difference {change.mean:+.1f}"
        interval = f"[{change.low:+.1f}, {change.high:+.1f}]"
        print(f"{label}, lambda {after.lam:g}, {after.episodes} episodes: {means} {interval}")


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=("sampler", "precision"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    agent = load_agent("BankHeist")
    if args.only != "precision":
        with without_numba():
            old = play(agent.defend("sap-100", seed=1), lam=0, episodes=args.episodes)
        new = play(agent.defend("sap-100", seed=1), lam=0, episodes=args.episodes)
        compare(f"SAP-100 with {old[0].sampler} and {new[0].sampler}", old, new)
    if args.only != "sampler":
        rows = [
            play(agent, lam=LAM, episodes=args.episodes, precision=precision)
            for precision in ("float32", "bfloat16")
        ]
        compare("float32 and bfloat16", *rows)


if __name__ == "__main__":
    main()
