"""Do returns change with the sampler's implementation, or with the precision? 100 episodes each.

    OMP_NUM_THREADS=2 python -m benchmarks.equivalence [--episodes 100] [--only sampler|precision]

Clean play and FGSM at lambda 0.25, where returns still have somewhere to go. Prints the mean of
both sides and the 99% interval of the paired difference (BCa over episodes).
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from benchmarks.sap_forward import without_numba
from sap_rl import evaluate
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.statistics import difference_interval

LAM = 0.25


def play(episodes: int, *, defense: str | None, precision: str = "float32") -> list[Row]:
    """Clean and attacked rows of the defended agent, else of the original; original's gradient."""
    found = evaluate(
        "BankHeist", "BankHeist", lam=LAM, defense=defense, precision=precision,
        victims=("original",), controls=False, episodes=episodes, seed=5_000_000,
    )  # fmt: skip
    arm = "defended" if defense else "original"
    return [row for row in found.rows if row.arm == arm]


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
    if args.only != "sampler":
        rows = [play(args.episodes, defense=None, precision=p) for p in ("float32", "bfloat16")]
        compare("float32 and bfloat16, original", *rows)
    if args.only != "precision":
        with without_numba():
            old = play(args.episodes, defense="sap-100")
        new = play(args.episodes, defense="sap-100")
        versions = f"{old[0].sampler} and {new[0].sampler}"
        compare(f"{versions}, SAP-100", old, new)


if __name__ == "__main__":
    main()
