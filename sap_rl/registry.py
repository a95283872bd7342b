"""A registry: names, and where their entries stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar

Entry = TypeVar("Entry", covariant=True)


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Name -> entry, whose module is loaded when the entry is asked for.

    places: name -> "module:entry", in the order in which names are shown and tried; it is read at
    every look, so that a line added to it counts at once.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> Entry:
        module, _, entry = self._places[name].partition(":")
        found: Entry = getattr(import_module(module), entry)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return f"Registry({', '.join(self._places)})"
