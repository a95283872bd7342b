"""How a command line is read: one line for what is wrong, and no torch before a command runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, NoReturn

from sap_rl.errors import UsageError, unknown

ALIKE = 0.6
"""From where on a known flag is named as the nearest to an unknown one, by difflib's ratio."""
SLIP = 0.8
"""From where on an unknown flag can only be a slip: no attack's option is so like another flag."""


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong; for an unknown word it names the nearest."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.allow_abbrev = False
        self.set_defaults(parser=self, more=None)  # the innermost command's win

    def parse_all(self, argv: list[str] | None) -> argparse.Namespace:
        """The arguments; UsageError for what no command knows.

        A command may know `more` flags than its help lists, those of attacks and defences, whose
        modules are loaded only for a flag that is no slip of one of its own.
        """
        args, rest = self.parse_known_args(argv)
        more: Callable[[Parser], None] | None = args.more
        if more and rest and not args.parser.nearest(rest, SLIP):
            more(args.parser)
            args, rest = self.parse_known_args(argv)
        if rest:
            inner: Parser = args.parser
            near = inner.nearest(rest, ALIKE)
            inner.error(
                f"unrecognized arguments: {' '.join(rest)}"
                + (f"; the nearest known: {', '.join(near)}" if near else "")
            )
        return args

    def nearest(self, words: list[str], alike: float) -> list[str]:
        """The known flags that words are at least so much alike, 0..1, each word's nearest."""
        known = [flag for action in self._actions for flag in action.option_strings]
        flags = [word.partition("=")[0] for word in words if word.startswith("-")]
        return [near for flag in flags for near in get_close_matches(flag, known, 1, alike)]

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise unknown("command", str(value), action.choices)

    def error(self, message: str) -> NoReturn:
        """UsageError with the message and where help is."""
        raise UsageError(f"{message}; see {self.prog} --help")
