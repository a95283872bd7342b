"""Corruptions spoil what a camera shows: `CORRUPTIONS` maps a name to each of them.

Unlike an attack a corruption asks nobody and has one severity, in natural units: degrees, pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sap_rl.corruptions.names import CORRUPTION_NAMES
from sap_rl.errors import unknown
from sap_rl.registry import Registry

if TYPE_CHECKING:  # names are asked for where nothing is computed
    from sap_rl.corruptions.entry import Corruption

CORRUPTIONS: Registry[Corruption] = Registry(CORRUPTION_NAMES)
"""Name -> the corruption with its severity, its referee and its traits; loaded when asked for."""


def find_corruption(name: str) -> Corruption:
    """The corruption of that name; UsageError with the nearest for an unknown one."""
    if name not in CORRUPTIONS:
        raise unknown("corruption", name, CORRUPTIONS)
    return CORRUPTIONS[name]
