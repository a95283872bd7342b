"""Reads checkpoints, a module per format; `LOADERS` maps a format's name to its reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sap_rl.networks.loaders.names import LOADER_NAMES
from sap_rl.registry import Registry

if TYPE_CHECKING:  # names are asked for where nothing is read
    from sap_rl.networks.reading.layers import Loader

LOADERS: Registry[Loader] = Registry(LOADER_NAMES)
"""Format name -> reader (path, request=None), loaded when asked for; it raises UsageError in one
line and runs no code of a file."""
