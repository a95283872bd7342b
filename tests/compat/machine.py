"""On which machine a golden result was made, and whether this is one that must repeat it."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import torch

KEPT = ("model name", "cpu family", "model", "stepping")


def machine() -> dict[str, str]:
    """What sums in float32 depend on: the CPU, its vector instructions, torch; and the emulator."""
    found = {"cpu": _cpu(), "vectors": torch.backends.cpu.get_cpu_capability()}
    return found | {name: version(name) for name in ("torch", "ale-py", "numpy")}


def _cpu() -> str:
    """Its kind as Linux tells it."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return platform.processor()
    first = path.read_text(encoding="utf-8").split("\n\n")[0]
    entries = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
    found = {name.strip(): value.strip() for name, value in entries.items()}
    return ", ".join(f"{name} {found[name]}" for name in KEPT if name in found)
