"""Version numbers of what makes results: one of the core, one beside each registry's entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

CORE_VERSION = 1
"""Of everything that plays and is no entry of a registry: emulators, rollout, arms, adversary,
draws, networks, recorded frames, an audit's suite and measures. Raised when results change."""

Factory = TypeVar("Factory", bound=Callable[..., Any])


def version(number: int) -> Callable[[Factory], Factory]:
    """Write an entry's version above its factory; raised when its results change."""

    def mark(factory: Factory) -> Factory:
        factory.version = number  # type: ignore[attr-defined]
        return factory

    return mark


def version_of(entry: object) -> int:
    """Of a registry's entry; 1 where none is written down."""
    return int(getattr(entry, "version", 1))
