"""Agent steps per second with torch's idle threads spinning (its default) and sleeping (ours).

    python benchmarks/thread_waiting.py --rounds 3 [--busy]

Alternates short clean evaluations of BankHeist in processes of their own; prints medians and ratio.
With --busy another process keeps one core busy all the while, as on a shared machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

CODE = "import sys; from sap_rl.cli import main; sys.exit(main())"


def steps_per_second(policy: str | None, max_frames: int) -> float:
    """One evaluation of 8 episodes; policy: value of OMP_WAIT_POLICY, empty for libgomp's own, None
    for sap_rl's choice."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.json"
        argv = (
            f"eval --game BankHeist --lambda 0 --defense none --no-controls --episodes 8 --quiet \
            --max-frames {max_frames} --json {target}"
        )
        subprocess.run(
            [sys.executable, "-c", CODE, *argv.split()],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # libgomp warns of the empty value
            env=os.environ | ({} if policy is None else {"OMP_WAIT_POLICY": policy}),
        )
        speed: float = json.loads(target.read_text())["rows"][0]["steps_per_second"]
        return speed


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-frames", type=int, default=2000)
    parser.add_argument("--busy", action="store_true")
    args = parser.parse_args()
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if args.busy else None
    found: dict[str | None, list[float]] = {"": [], None: []}
    for _ in range(args.rounds):
        for policy, speeds in found.items():
            speeds.append(steps_per_second(policy, args.max_frames))
    if busy is not None:
        busy.kill()
    spinning, sleeping = (median(speeds) for speeds in found.values())
    print(f"threads: {os.cpu_count()} cores; median of {args.rounds} rounds, steps per second")
    print(f"torch's default {spinning:.0f}, ours {sleeping:.0f}: {sleeping / spinning:.1f} times")


if __name__ == "__main__":
    main()
