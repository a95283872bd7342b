"""On which machine a golden result was made, and whether this is one that must repeat it."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

KEPT = ("model name", "cpu family", "model", "stepping")


def machine() -> dict[str, str]:
    """What sums in float32 depend on: the CPU, its vector instructions, torch; and the emulator."""
    found = {"cpu": _cpu(), "vectors": torch.backends.cpu.get_cpu_capability()}
    return found | {name: version(name) for name in ("torch", "ale-py", "numpy")}


def must_repeat(golden: dict[str, Any]) -> bool:
    """Whether this machine is of the kind that made a golden result, so that bits must agree.

    Elsewhere float sums round otherwise, actions and then returns may differ, and a test checks
    only what does not hang on them: which arms, how many episodes, which tensors.
    """
    return bool(golden["machine"] == machine())


def _cpu() -> str:
    """Its kind as Linux tells it."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return platform.processor()
    first = path.read_text(encoding="utf-8").split("\n\n")[0]
    entries = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
    found = {name.strip(): value.strip() for name, value in entries.items()}
    return ", ".join(f"{name} {found[name]}" for name in KEPT if name in found)
