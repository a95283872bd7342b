"""The README's main job, and how near it comes to what this machine could do at most.

    OMP_NUM_THREADS=2 python -m benchmarks.main_job [--threads 2] [--precision float32]

Runs `sap-rl eval --game BankHeist --lambda 4` once, then measures what it consists of: emulated
steps, and multiplications of the networks' passes. The limit is both at the highest rates that were
measured here with all threads busy at once: emulators that do nothing but step, and one large
matrix product per thread.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.train_speed import products
from sap_rl import Protocol, load_agent
from sap_rl.atari.fleet import make_fleet
from sap_rl.evaluation.results import Row, read_evaluation
from sap_rl.machine import single_threaded
from sap_rl.networks.precision import PRECISIONS
from sap_rl.play.attacked_player import PROBE_EVERY
from sap_rl.training.threads import BatchThreads

GAME, LAM, NUM_ENVS = "BankHeist", "4", 32
JOB = ["eval", "--game", GAME, "--lambda", LAM]


def run_job(threads: int, precision: str, episodes: int) -> tuple[tuple[Row, ...], float, float]:
    """The job in a process of its own: its rows, seconds on the clock and of processors."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        program = str(Path(sys.executable).with_name("sap-rl"))
        command = [program, *JOB, "--threads", str(threads)]
        command += ["--precision", precision, "--episodes", str(episodes)]
        command += ["--json", str(found), "--quiet"]
        began, before = time.perf_counter(), os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall, after = time.perf_counter() - began, os.times()
        used = after.children_user + after.children_system
        used -= before.children_user + before.children_system
        return read_evaluation(found).rows, wall, used


def multiplications(row: Row, layers: dict[str, int]) -> float:
    """Of an arm's passes. Samples share the first layer; noise on the values shares all of them."""
    if row.arm == "random":
        return 0.0
    first, rest = layers["conv1"], sum(layers.values()) - layers["conv1"]

    def passes(count: float) -> float:
        return first * min(count, 1) + rest * (
            min(count, 1) if row.arm == "noise-control" else count
        )

    looks = passes(2) / PROBE_EVERY if row.arm != "original" else 0.0
    attack = passes(row.forward_passes or 0) + passes(row.backward_passes or 0)
    return sum(row.lengths) * (passes(row.policy_samples) + looks + attack)


def at_once(work: Callable[[int], None], threads: int) -> float:
    """Seconds until all threads have done their work, after each has done it once before."""
    batch_threads = BatchThreads(threads)
    with single_threaded():
        batch_threads.run(work, range(threads))
        began = time.perf_counter()
        batch_threads.run(work, range(threads))
        seconds = time.perf_counter() - began
    batch_threads.close()
    return seconds


def product_rate(threads: int, precision: str, repeats: int = 300) -> float:
    """Multiplications per second of 1024 x 1024 matrix products, one per thread at a time."""
    square = torch.randn(1024, 1024).to(PRECISIONS[precision])

    def work(_place: int) -> None:
        for _ in range(repeats):
            square @ square

    return threads * repeats * 1024**3 / at_once(work, threads)


def emulation_rate(threads: int, count: int = 60) -> float:
    """Agent steps per second of emulators that play at random, a fleet per thread."""
    preprocess = load_agent(GAME).preprocess
    fleets = [
        make_fleet(GAME, NUM_ENVS, protocol=Protocol(), preprocess=preprocess)
        for _ in range(threads)
    ]
    rows = np.arange(NUM_ENVS)
    for fleet in fleets:
        fleet.reset(rows, rows)

    def work(place: int) -> None:
        actions = np.random.default_rng(place)
        for _ in range(count):
            _, terminated, truncated = fleets[place].step(rows, actions.integers(6, size=NUM_ENVS))
            ended = rows[terminated | truncated]
            if len(ended):
                fleets[place].reset(ended, ended)

    seconds = at_once(work, threads)
    for fleet in fleets:
        fleet.close()
    return threads * count * NUM_ENVS / seconds


def main() -> None:
    """Print the job's time and the limit's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--episodes", type=int, default=30)
    args = parser.parse_args()
    rows, wall, used = run_job(args.threads, args.precision, args.episodes)
    layers = products(load_agent(GAME).module)
    steps = sum(sum(row.lengths) for row in rows)
    work = sum(multiplications(row, layers) for row in rows)
    emulation = emulation_rate(args.threads)
    rate = product_rate(args.threads, args.precision)
    print(f"sap-rl {' '.join(JOB)} --precision {args.precision}, {args.threads} thread(s)")
    print(f"  {steps:,} steps, {work / 1e12:.1f} * 10^12 multiplications in passes")
    print(f"  took            {wall:6.0f} s, {used:.0f} of processors")
    print(f"  emulation       {steps / emulation:6.0f} s at {emulation:,.0f} steps per second")
    print(f"  multiplications {work / rate:6.0f} s at {rate / 1e9:.0f} * 10^9 per second")
    limit = steps / emulation + work / rate
    print(f"  limit           {limit:6.0f} s, {limit / wall:.2f} of what it took")


if __name__ == "__main__":
    main()
