"""Contenders in turn, round after round: medians, and ratios against the first of them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any


def alternate(
    contenders: Mapping[str, Callable[[], Any]], *, rounds: int = 15, seconds: float = 0.05
) -> dict[str, float]:
    """Median seconds per call of each; every turn lasts at least `seconds`."""
    calls = {}
    for name, work in contenders.items():
        work()
        began = time.perf_counter()
        work()
        calls[name] = max(1, round(seconds / (time.perf_counter() - began)))
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            began = time.perf_counter()
            for _ in range(calls[name]):
                work()
            found[name].append((time.perf_counter() - began) / calls[name])
    return {name: median(values) for name, values in found.items()}


def print_ratios(title: str, found: Mapping[str, float]) -> None:
    """A table in milliseconds; the first contender is 1."""
    print(f"\n{title}")
    first = next(iter(found.values()))
    for name, seconds in found.items():
        print(f"  {name:<34} {1e3 * seconds:9.2f} ms {seconds / first:7.2f}")


def measure_apart(command: list[str], *, ours: bool) -> dict[str, float]:
    """The JSON object in the last line that a contender prints, in a process of its own.

    ours: torch's idle threads wait as `import sap_rl` has them wait where it comes before torch;
    other contenders run as whoever writes them today would, with torch's default.
    """
    waiting = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "2000"}
    environment = os.environ | (waiting if ours else {})
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
