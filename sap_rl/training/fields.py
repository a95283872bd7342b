"""Options by name into a settings class, and what its fields may be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from sap_rl.errors import UsageError, require_positive, unknown


def check_fields(
    settings: object,
    *,
    counts: Iterable[str] = (),
    from_zero: Iterable[str] = (),
    above_zero: Iterable[str] = (),
    shares: Iterable[str] = (),
    rates: Iterable[str] = (),
    choices: Mapping[str, Iterable[str]] | None = None,
) -> None:
    """UsageError for the first field that is not what it must be.

    counts: at least 1; from_zero, above_zero: finite; shares: in 0..1; rates: between 0 and 1,
    neither of them; choices: one of those names.
    """

    def refuse(name: str, must: str) -> UsageError:
        return UsageError(f"{name} must {must}, got {getattr(settings, name)}")

    for name in counts:
        require_positive(name, getattr(settings, name))
    for name in from_zero:
        if not 0 <= getattr(settings, name) < math.inf:
            raise refuse(name, "be at least 0")
    for name in above_zero:
        if not 0 < getattr(settings, name) < math.inf:
            raise refuse(name, "be above 0")
    for name in shares:
        if not 0 <= getattr(settings, name) <= 1:
            raise refuse(name, "lie in 0..1")
    for name in rates:
        if not 0 < getattr(settings, name) < 1:
            raise refuse(name, "lie between 0 and 1")
    for name, known in (choices or {}).items():
        if getattr(settings, name) not in tuple(known):
            raise unknown(name, str(getattr(settings, name)), known)


def read_fields(settings: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name in the types of a settings class's defaults; numbers may be spelled 2.5e6.

    UsageError for an unknown name or a value of another type.
    """
    kinds = {field.name: type(field.default) for field in fields(settings)}
    found = {}
    for name, value in options.items():
        if name not in kinds:
            raise unknown("training option", name, kinds)
        found[name] = _read(name, value, kinds[name])
    return found


def _read(name: str, value: Any, kind: type) -> Any:
    refusal = UsageError(f"{name}: cannot use {value!r}")
    if isinstance(value, bool) != (kind is bool):
        raise refusal
    if kind in (bool, str):
        if not isinstance(value, kind):
            raise refusal
        return value
    try:
        number = float(value)
        if kind is int and number != int(number):
            raise refusal
        return kind(number)
    except (TypeError, ValueError, OverflowError):
        raise refusal from None


def with_defaults(settings: type, saved: Mapping[str, Any]) -> dict[str, Any]:
    """A run's saved settings; an option that is younger than the run did what its default does."""
    return {field.name: field.default for field in fields(settings)} | dict(saved)
