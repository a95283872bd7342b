"""One file per checkpoint format; `LOADERS` maps a format's name to its reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.loaders.native import load_native

LOADERS: dict[str, Callable[[Path], Checkpoint]] = {"native": load_native}
"""Format name -> reader of a path; a reader raises UsageError in one line and runs no code."""
