"""Training runs by the clock: mean return of the last 100 training games.

    python -m benchmarks.score_per_hour benchmarks/curves/*.csv [--out FILE.png]

Reads the `curve.csv` of runs that shared a machine from the same moment on; prints a table by
minutes and draws the curves.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Points = list[tuple[float, int, int, float]]
"""(minutes, steps, updates, mean return)"""


def read(path: Path) -> Points:
    """The lines of a curve that carry a mean return."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            (
                float(line["seconds"]) / 60,
                int(line["steps"]),
                int(line["updates"]),
                float(line["mean_return"]),
            )
            for line in csv.DictReader(file)
            if line["mean_return"]
        ]


def main() -> None:
    """Print, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("curves", type=Path, nargs="+")
    parser.add_argument("--every", type=float, default=10.0, help="minutes between rows")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    runs = {path.stem: read(path) for path in args.curves}
    print("minutes  " + "  ".join(f"{name:>24}" for name in runs))
    row = args.every
    while row <= max(points[-1][0] for points in runs.values()):
        cells = []
        for points in runs.values():
            before = [point for point in points if point[0] <= row]
            shown = before and points[-1][0] >= row - 1
            cell = f"{before[-1][3]:.1f} ({before[-1][2] // 1000}k upd.)" if shown else "-"
            cells.append(f"{cell:>24}")
        print(f"{row:7.0f}  " + "  ".join(cells))
        row += args.every
    if args.out:
        figure, panel = plt.subplots(figsize=(7, 4), layout="constrained")
        for name, points in runs.items():
            panel.plot([p[0] for p in points], [p[3] for p in points], label=name)
        panel.set(xlabel="minutes", ylabel="mean return of the last 100 training games")
        panel.grid(alpha=0.3)
        panel.legend()
        figure.savefig(args.out, dpi=110)


if __name__ == "__main__":
    main()
