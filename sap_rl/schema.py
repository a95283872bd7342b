"""What an option is, declared once beside its default; what reads, checks and describes it.

An option is a field of a settings class or a keyword argument of a factory, of type
`Annotated[int, Option("games at once", at_least=1)]`. Flags, YAML keys, `--help`, docstrings and
refusals come from that.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as hints_of

from sap_rl.errors import UsageError, require_positive, unknown

Function = TypeVar("Function", bound=Callable[..., Any])
Within = Literal["count", "from zero", "above zero", "share", "rate"]
"""Where a number must lie: at least 1; at least 0; above 0; in 0..1; between 0 and 1."""
MOST = 10**9
"""The most of anything that is counted."""
MISSING = inspect.Parameter.empty


class Unsaid(float):
    """A default that gives way to the custom of the agent that plays; a number like any other."""


@dataclass(frozen=True)
class Option:
    """What an option says of itself, inside its `Annotated` type.

    unit: of its number; choices: the words it may be, where its type is no Literal; also: which
    other words it may be. within: where its number must lie, checked by `check`. name: how flags
    and YAML spell it, where that differs; kind: what a wrong word is called. read: makes a value of
    what a flag or YAML says, where the type does not tell how. shown: how help says a default that
    is computed. hidden: it is not said by a flag or YAML key, but in Python alone.
    """

    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    within: Within | None = None
    also: Callable[[str], bool] | None = None
    name: str = ""
    kind: str = ""
    read: Callable[[Any], Any] | None = None
    shown: str = ""
    hidden: bool = False


@dataclass(frozen=True)
class OptionField:
    """One option, as a settings class or a factory's signature declares it.

    name: in Python; type: int, float, bool, str, tuple or another class; default: MISSING where it
    must be given; optional: it may be None as well; said: all the rest.
    """

    name: str
    type: type
    default: Any
    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    optional: bool = False
    said: Option = field(default=Option(""), compare=False, repr=False)

    @property
    def key(self) -> str:
        """How YAML spells it, and flags with dashes."""
        return self.said.name or self.name

    @property
    def line(self) -> str:
        """What it is, with unit, choices and default, in one line."""
        unit = f" ({self.unit})" if self.unit else ""
        choices = f": {', '.join(self.choices)}" if self.choices else ""
        default = self.said.shown or spelled(self.default)
        return f"{self.help}{unit}{choices}" + (f" [{default}]" if default else "")

    def parse(self, value: Any, called: str | None = None) -> Any:
        """The value of what a flag or YAML says; UsageError names the option, by `called` where
        that is given, and the value."""
        try:
            if self.said.read is not None:
                return self.said.read(value)
            if self.choices:
                return self._chosen(self._as_spelled(value))
            return READERS[self.type](value)
        except UsageError:
            raise
        except (TypeError, ValueError, OverflowError):
            says = f" ({self.help})" if self.help else ""
            raise UsageError(f"{called or self.key}: cannot use {value!r:.100}{says}") from None

    def check(self, value: Any) -> None:
        """UsageError where the value does not lie where it must."""
        if value is None and self.optional:
            return
        if self.choices:
            self._chosen(value)
        if self.said.within == "count":
            require_positive(self.key, value)
            if value > MOST:
                raise UsageError(f"{self.key} must be at most {MOST:,}, got {value}")
        elif self.said.within is not None:
            holds, must = BOUNDS[self.said.within]
            if not holds(value):
                raise UsageError(f"{self.key} must {must}, got {value}")

    def _as_spelled(self, value: Any) -> Any:
        """The choice that a word is, but for capitals; else the word itself."""
        same = [choice for choice in self.choices if choice.lower() == str(value).lower()]
        return same[0] if isinstance(value, str) and len(same) == 1 else value

    def _chosen(self, value: Any) -> str:
        if self.type is str and not isinstance(value, str):
            raise UsageError(f"{self.key}: cannot use {value!r}")
        if value not in self.choices and not (self.said.also and self.said.also(value)):
            raise unknown(self.said.kind or self.key, value, self.choices)
        return str(value)


BOUNDS: dict[Within, tuple[Callable[[float], bool], str]] = {
    "from zero": (lambda value: 0 <= value < math.inf, "be at least 0"),
    "above zero": (lambda value: 0 < value < math.inf, "be above 0"),
    "share": (lambda value: 0 <= value <= 1, "lie in 0..1"),
    "rate": (lambda value: 0 < value < 1, "lie between 0 and 1"),
}


@cache
def options_of(declared: Callable[..., Any]) -> Mapping[str, OptionField]:
    """The options of a settings class or a factory: what is `Annotated` with an `Option`."""
    hints = hints_of(declared, include_extras=True)
    return {
        name: _field(name, hints[name], parameter.default)
        for name, parameter in inspect.signature(declared).parameters.items()
        if _is_option(hints.get(name))
    }


def keyed(*declared: type, only: Iterable[str] | None = None) -> dict[str, OptionField]:
    """The options of settings classes by the key that flags and YAML say; only: of those names."""
    return {
        option.key: option
        for settings in declared
        for option in options_of(settings).values()
        if not option.said.hidden and (only is None or option.name in only)
    }


def by_any_name(known: Mapping[str, OptionField]) -> dict[str, OptionField]:
    """Options by key and by their own names, which are read too."""
    return {option.name: option for option in known.values()} | dict(known)


def check(settings: object) -> None:
    """UsageError for the first field of a settings class that is not what it must be."""
    declared: Callable[..., Any] = type(settings)
    for name, option in options_of(declared).items():
        option.check(getattr(settings, name))


def read_options(
    options: Mapping[str, Any], known: Mapping[str, OptionField]
) -> dict[str, Any]:  # fmt: skip
    """Values of options by key, as YAML or a command line says them; UsageError for an unknown key,
    with the nearest, or an unusable value."""
    for key in options:
        if key not in known:
            raise unknown("option", key, known)
    return {key: known[key].parse(value) for key, value in options.items()}


def read_fields(settings: type, options: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Options by key, as YAML or a command line says them, as arguments of a settings class.

    A field's own name is read as well as its key. UsageError for an unknown key, called `kind`,
    with the nearest, or an unusable value.
    """
    known = keyed(settings)
    by_name = by_any_name(known)
    found = {}
    for key, value in options.items():
        if key not in by_name:
            raise unknown(kind, key, known)
        found[by_name[key].name] = by_name[key].parse(value, key)
    return found


def with_defaults(settings: type, saved: Mapping[str, Any]) -> dict[str, Any]:
    """A run's saved settings; an option that is younger than the run did what its default does."""
    return {name: option.default for name, option in options_of(settings).items()} | dict(saved)


def documented(*declared: type, **said: str) -> Callable[[Function], Function]:
    """Adds to a function's docstring a line for each of its arguments: `said` of it, or what the
    settings class says of the field with its name."""

    def decorate(function: Function) -> Function:
        options = {k: v for settings in declared for k, v in options_of(settings).items()}
        lines = [
            f"    {name}: {said.get(name) or options[name].line}"
            for name in inspect.signature(function).parameters
        ]
        function.__doc__ = "\n".join([inspect.cleandoc(function.__doc__ or ""), "", *lines])
        return function

    return decorate


def spelled(value: Any) -> str:
    """A default as people say it; nothing where there is none."""
    if value is MISSING or value is None or repr(value) == "<factory>":
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(map(spelled, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def text(value: Any) -> str:
    """A word; ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def number(value: Any) -> float:
    """A number, also as text; ValueError for a truth value."""
    if isinstance(value, bool):
        raise ValueError(value)
    return float(value)


def whole(value: Any) -> int:
    """A whole number, also spelled 2.5e6; ValueError for any other."""
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal():
        return int(value)  # a float would round large seeds
    found = value if isinstance(value, int) else number(value)
    if isinstance(value, bool) or found != int(found):
        raise ValueError(value)
    return int(found)


def numbers(value: Any) -> tuple[float, ...]:
    """Numbers from a list or words with commas; ValueError for what is none."""
    parts = value if isinstance(value, list | tuple) else [value]
    return tuple(number(p) for part in parts for p in str(part).split(",") if p.strip())


def truth(value: Any) -> bool:
    """A truth value, also as text; ValueError for anything else."""
    if value in ("true", "false"):
        return bool(value == "true")
    if not isinstance(value, bool):
        raise ValueError(value)
    return value


READERS: dict[type, Callable[[Any], Any]] = {int: whole, float: number, bool: truth, str: text}
"""How a value is read from a word, by the option's type."""


def _is_option(hint: Any) -> bool:
    return get_origin(hint) is Annotated and isinstance(get_args(hint)[1], Option)


def _field(name: str, hint: Any, default: Any) -> OptionField:
    declared, option = get_args(hint)
    parts = get_args(declared) if get_origin(declared) in (Union, UnionType) else (declared,)
    (plain,) = (part for part in parts if part is not NoneType)
    choices = option.choices
    if get_origin(plain) is Literal:
        plain, choices = str, get_args(plain)
    return OptionField(
        name, get_origin(plain) or plain, default, option.help, option.unit, choices,
        optional=NoneType in parts, said=option,
    )  # fmt: skip


def underscored(entries: Mapping[Any, Any]) -> dict[str, Any]:
    """Entries whose names may be spelled with dashes, as flags are; UsageError for one that stands
    there in both spellings."""
    found = {str(key).replace("-", "_"): value for key, value in entries.items()}
    if len(found) < len(entries):
        names = [str(key).replace("-", "_") for key in entries]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"'{twice}' is said twice, with - and with _")
    return found
