"""Dataclasses as plain JSON and back, typed to their leaves: the one writer and the one reader."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import msgspec
import numpy as np

from sap_rl.errors import UsageError
from sap_rl.schema import Unsaid
from sap_rl.texts import read_json

T = TypeVar("T")

OptionValue = bool | int | float | str | None | tuple[bool | int | float | str, ...]
"""A value of an option that is open to whoever takes it; lists of a file become tuples."""


def to_plain(value: object) -> Any:
    """A dataclass as a mapping of its fields, also inside of others; arrays are lists."""
    return msgspec.to_builtins(value, enc_hook=_plain)


def from_plain(kind: type[T], plain: object) -> T:
    """The `kind` that `to_plain` took apart, also after JSON; absent fields take their defaults.

    UsageError in one line, with the place, for a field that is missing, unknown or of another
    type, and for a value that the dataclass itself refuses.
    """
    try:
        found = msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise UsageError(str(error)) from error
    _complete(found, plain, "$")
    return found


def json_object(value: object) -> str:
    """One object for people and programs; ValueError for NaN or infinity."""
    return json.dumps(to_plain(value), indent=1, allow_nan=False) + "\n"


def numbered_json(value: object, number: int) -> str:
    """A dataclass as `json_object` that begins with the number of its format."""
    return json_object({"format": number} | to_plain(value))


def read_numbered(kind: type[T], text: str | bytes, number: int, what: str) -> T:
    """The `kind` that `numbered_json` wrote; UsageError in one line, which says `what` was asked
    for, for anything else."""
    plain = read_json(text)
    if not isinstance(plain, dict) or plain.pop("format", None) != number:
        raise UsageError(f"it is no {what} of format {number}")
    return from_plain(kind, plain)


def json_line(value: object) -> str:
    """Text that is equal for equal values; ValueError for NaN or infinity."""
    return json.dumps(to_plain(value), sort_keys=True, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Unsaid):
        return float(value)
    raise TypeError(f"{type(value).__name__} is not plain")


def _complete(found: object, given: object, place: str) -> None:
    """Do inside of a value what msgspec leaves: defaults become the dataclass's own attributes, and
    a field that it does not have is refused."""
    parts = found
    if is_dataclass(found) and not isinstance(found, type):
        parts = {each.name: getattr(found, each.name) for each in fields(found)}
        vars(found).update(parts)
    if isinstance(parts, dict) and isinstance(given, dict):
        for name, value in given.items():
            if name not in parts:
                raise UsageError(f"Object has an unknown field - at `{place}.{name}`")
            _complete(parts[name], value, f"{place}.{name}")
    elif isinstance(parts, list | tuple) and isinstance(given, list | tuple):
        for number, pair in enumerate(zip(parts, given, strict=True)):
            _complete(*pair, f"{place}[{number}]")
