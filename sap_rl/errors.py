"""What went wrong, in one line, with the value and the choices."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 800
"""The most characters of a message; the middle of a longer one is left out."""
MOST_OF_A_NAME = 100
"""The most characters of a name that a message says back."""


class UsageError(ValueError):
    """A request that cannot be served; its message is one line meant for the user.

    Whatever a file or a name put into it, it is `printable` and at most LONGEST characters long.
    """

    def __init__(self, message: object) -> None:
        super().__init__(printable(str(message), LONGEST))


MALFORMED = (
    ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError,
)  # fmt: skip
"""What comes of plain values that are not what they must be, wherever that is noticed."""


def told_of(error: BaseException) -> str:
    """What an error says, in one line; its kind where its text alone says nothing."""
    text = " ".join(str(error).split())
    return text if isinstance(error, UsageError) else f"{type(error).__name__} {text}".strip()


def printable(text: str, most: int | None = None) -> str:
    """The text with what a terminal obeys or cannot show (controls, line ends, surrogates) escaped
    as in Python's strings; most: characters, where the middle of a longer text is left out."""
    text = _shortened(text, most)
    if not text.isprintable():
        escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
        text = _shortened("".join(escaped), most)
    return text


def _shortened(text: str, most: int | None) -> str:
    if most is None or len(text) <= most:
        return text
    return f"{text[: most * 2 // 3]} ... {text[len(text) - most // 3 + 5 :]}"


def unknown(kind: str, value: str, choices: Iterable[str]) -> UsageError:
    """The error for a name that is not in a registry: nearest known names first, at most twelve."""
    names = list(choices)
    lower = {name.lower(): name for name in names}
    near = [
        lower[name]
        for name in difflib.get_close_matches(value.lower(), list(lower), n=3, cutoff=0.5)
    ]
    ordered = near + [name for name in names if name not in near]
    shown = ", ".join(ordered[:12]) + (", ..." if len(ordered) > 12 else "")
    return UsageError(f"unknown {kind} '{_shortened(value, MOST_OF_A_NAME)}'; choose from {shown}")


def require_positive(name: str, value: int) -> None:
    """Refuse a count below 1."""
    require_at_least(name, value, 1)


def require_at_least(name: str, value: int, least: int) -> None:
    """Refuse a smaller count."""
    if value < least:
        raise UsageError(f"{name} must be at least {least}, got {value}")
