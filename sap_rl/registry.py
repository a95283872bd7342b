"""A registry: names, where their entries stand, and the options that an entry takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as hints_of

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


@dataclass(frozen=True)
class Option:
    """What a keyword argument says of itself, inside its `Annotated` type.

    unit: of its number; choices: the words it may be, where its type is no Literal.
    """

    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class OptionField:
    """One option of an entry, as its factory's signature declares it.

    type: int, float, bool, str or tuple; default: `inspect.Parameter.empty` where it must be given;
    optional: it may be None as well.
    """

    name: str
    type: type
    default: Any
    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    optional: bool = False


def options_of(factory: Callable[..., Any]) -> dict[str, OptionField]:
    """The options of a factory by name: its arguments of type `Annotated[..., Option(...)]`."""
    hints = hints_of(factory, include_extras=True)
    return {
        name: _field(name, hints[name], parameter.default)
        for name, parameter in inspect.signature(factory).parameters.items()
        if _is_option(hints.get(name))
    }


def _is_option(hint: Any) -> bool:
    return get_origin(hint) is Annotated and isinstance(get_args(hint)[1], Option)


def _field(name: str, hint: Any, default: Any) -> OptionField:
    said, option = get_args(hint)
    parts = get_args(said) if get_origin(said) in (Union, UnionType) else (said,)
    (plain,) = (part for part in parts if part is not NoneType)
    choices = option.choices
    if get_origin(plain) is Literal:
        plain, choices = str, get_args(plain)
    return OptionField(
        name, get_origin(plain) or plain, default, option.help, option.unit, choices,
        optional=NoneType in parts,
    )  # fmt: skip
