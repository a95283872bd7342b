"""Resident memory during a long evaluation: flat after the warm-up.

OMP_NUM_THREADS=2 python -m benchmarks.memory [--episodes 500]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sap_rl import Protocol, load_agent
from sap_rl.evaluation.run import ArmPlayed, EvaluationRun
from sap_rl.evaluation.settings import Settings
from sap_rl.play.rollout import Episode


def resident_mib() -> float:
    """This process's resident memory now (Linux)."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Print memory as episodes end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--episodes", type=int, default=500)
    parser.add_argument("--max-frames", type=int, default=400)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    settings = Settings(
        "BankHeist", (4.0,), defense="sap-100", victims=("own",), controls=False,
        episodes=args.episodes, num_envs=16,
        protocol=Protocol(max_frames=args.max_frames, grad_samples=1),
    )  # fmt: skip
    for event in EvaluationRun(load_agent("BankHeist"), settings).play():
        if isinstance(event, ArmPlayed) and isinstance(event.what, Episode):
            ended = len(event.arm_stats.episodes)
            if ended % (args.episodes // 5) == 0:
                where = f"{event.arm.title} at lambda {event.arm.lam:g}"
                print(f"{where}: {ended} episodes, {resident_mib():.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
