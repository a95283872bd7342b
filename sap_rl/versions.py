"""Version numbers of what makes results: one of the core, one in each registry's entry."""

from __future__ import annotations

from typing import Protocol

CORE_VERSION = 1
"""The version of all that plays and is no entry of a registry: emulators, rollout, arms, adversary,
draws, networks, recorded frames, an audit's suite and measures. It rises when results change."""


class Versioned(Protocol):
    """An entry of a registry; version: raised when its results change."""

    @property
    def version(self) -> int: ...


RENAMED = {"noise-control": "matched", "own": "self"}
"""Arms and victims that had another name first: their streams, and keys of cells, are of that."""
