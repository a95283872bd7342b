"""A long run with its figures: `python -m tests.fuzz.run --inputs 5000`."""

from __future__ import annotations

import argparse
import resource
import sys
import time
import traceback
import warnings
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.broken import Trial
from tests.fuzz.kinds import KINDS
from tests.fuzz.tries import SECONDS, Hangs, tried


@dataclass
class Found:
    """What came of the trials of one kind; tracebacks: the place -> the first trial that led
    there."""

    tried: int = 0
    refused: int = 0
    tracebacks: dict[str, Trial] = field(default_factory=dict)
    hangs: list[Trial] = field(default_factory=list)
    slowest: float = 0.0


def fuzzed(kind: str, inputs: int, seed: int, seconds: float = SECONDS) -> Found:
    """Try so many inputs of a kind and go on whatever comes of each."""
    found = Found()

    @seed_of(seed)
    @settings(
        max_examples=inputs, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(KINDS[kind]())
    def each(trial: Trial) -> None:
        if found.tried == inputs:
            return
        found.tried += 1
        started = time.process_time()
        try:
            found.refused += tried(trial, seconds) == "refused"
        except Hangs:
            found.hangs.append(trial)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} at {last.filename}:{last.lineno}: {error!s:.200}"
            found.tracebacks.setdefault(place, trial)
        found.slowest = max(found.slowest, time.process_time() - started)

    each()
    return found


seed_of = seed


def main() -> int:
    """Print a line per kind, then what went wrong; 1 where anything did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=5000, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, help="only this one")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    before = _peak()
    kinds = [args.kind] if args.kind else list(KINDS)
    every: dict[str, Found] = {}
    print("| kind | tried | refused | tracebacks | hangs over 5 s | slowest (s) |")  # noqa: T201
    print("|---|---|---|---|---|---|", flush=True)  # noqa: T201
    for kind in kinds:
        f = every[kind] = fuzzed(kind, -(-args.inputs // len(kinds)), args.seed)
        counts = f"{f.tried} | {f.refused} | {len(f.tracebacks)} | {len(f.hangs)}"
        print(f"| {kind} | {counts} | {f.slowest:.2f} |", flush=True)  # noqa: T201
    print(f"peak memory {_peak():.0f} MB, {before:.0f} MB before the first input")  # noqa: T201
    wrong = [
        *((place, trial) for f in every.values() for place, trial in f.tracebacks.items()),
        *(("hangs", trial) for f in every.values() for trial in f.hangs),
    ]
    for place, trial in wrong:
        files = {name: data[:300] for name, data in trial.files.items()}
        print(f"\n{place}\n  {trial.argv}\n  {files}")  # noqa: T201
    return int(bool(wrong))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
