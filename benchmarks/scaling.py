"""How the cost of an attacked evaluation grows: environments, gradient samples, SAP-k.

    OMP_NUM_THREADS=2 python -m benchmarks.scaling [--out benchmarks/scaling.png]

Agent steps per second of the shipped BankHeist agent under FGSM, float32; prints the numbers and
draws them.
"""

from __future__ import annotations

import sap_rl  # isort: skip  # noqa: F401 (before torch: its idle threads then sleep, as users')

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch

from benchmarks.attacked_eval import ours

ENVS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SAMPLES = (1, 2, 5, 10, 20, 50, 100)
PERCENTS = (10, 25, 50, 100, 150, 200)


def speed(**options: object) -> float:
    """Steps per second; fewer steps where each costs more."""
    samples = int(options.get("grad_samples", 1))  # type: ignore[call-overload]
    steps = max(3_000 // samples, 64)
    return ours(steps=steps, **options)["steps_per_second"]  # type: ignore[arg-type]


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/scaling.png"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    series = {
        "environments at once": {
            "dense": [(n, speed(num_envs=n)) for n in ENVS],
            "SAP-100": [(n, speed(num_envs=n, defense="sap-100")) for n in ENVS],
        },
        "gradient samples": {
            "SAP-100, 16 envs": [
                (n, speed(num_envs=16, defense="sap-100", grad_samples=n)) for n in SAMPLES
            ]
        },
        "k of SAP-k": {
            "32 envs, 1 sample": [(k, speed(defense=f"sap-{k}")) for k in PERCENTS],
        },
    }
    figure, panels = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    for panel, (title, lines) in zip(panels, series.items(), strict=True):
        for label, points in lines.items():
            print(f"{title}, {label}: " + ", ".join(f"{x}: {y:.0f}" for x, y in points))
            panel.plot(*zip(*points, strict=True), marker="o", label=label)
        panel.set(xlabel=title, ylabel="agent steps per second", ylim=(0, None))
        if title != "k of SAP-k":
            panel.set_xscale("log", base=2 if "env" in title else 10)
        panel.grid(alpha=0.3)
        panel.legend()
    figure.suptitle(f"FGSM on the BankHeist agent, float32, {args.threads} threads")
    figure.savefig(args.out, dpi=110)


if __name__ == "__main__":
    main()
