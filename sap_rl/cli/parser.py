"""How a command line is read: one line for what is wrong, and no torch before a command runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, NoReturn

from sap_rl.errors import UsageError, unknown

ALIKE = 0.6
"""From where on a known flag is named as the nearest to an unknown one, by difflib's ratio."""
SLIP = 0.8
"""From where on an unknown flag can only be a slip: no attack's option is so like another flag."""


MISSING = "the following arguments are required"
"""How argparse begins to say so."""


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong; for an unknown word it names the nearest."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.allow_abbrev = False
        self.set_defaults(parser=self, more=None)  # the innermost command's win
        self.words: list[str] = []

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's; what was said is kept for what `error` says of it."""
        self.words = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args(args, namespace)

    def parse_all(self, argv: list[str] | None) -> argparse.Namespace:
        """The arguments; UsageError for what no command knows.

        A command may know `more` flags than its help lists, those of attacks and defences, whose
        modules are loaded only for a flag that is no slip of one of its own.
        """
        args: argparse.Namespace
        args, rest = self.parse_known_args(argv)
        more: Callable[[Parser], None] | None = args.more
        if more and rest and not args.parser.nearest(rest, SLIP):
            more(args.parser)
            args, rest = self.parse_known_args(argv)
        if rest:
            inner: Parser = args.parser
            inner.error(inner.unrecognized(rest))
        return args

    def unrecognized(self, words: list[str]) -> str:
        """What is said of words that no command knows."""
        near = self.nearest(words, ALIKE)
        return f"unrecognized arguments: {' '.join(words)}" + (
            f"; the nearest known: {', '.join(near)}" if near else ""
        )

    def nearest(self, words: list[str], alike: float) -> list[str]:
        """The known flags that words are at least so much alike, 0..1, each word's nearest."""
        known = [flag for action in self._actions for flag in action.option_strings]
        flags = [word.partition("=")[0] for word in words if word.startswith("-")]
        return [near for flag in flags for near in get_close_matches(flag, known, 1, alike)]

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise unknown("command", str(value), action.choices)

    def error(self, message: str) -> NoReturn:
        """UsageError with the message and where help is; a flag that is a slip goes before one that
        is missing, which it may be meant for."""
        if message.startswith(MISSING) and self._unknown():
            more: Callable[[Parser], None] | None = self.get_default("more")
            if more is not None:
                more(self)
            slips = [word for word in self._unknown() if self.nearest([word], ALIKE)]
            message = self.unrecognized(slips) if slips else message
        raise UsageError(f"{message}; see {self.prog} --help")

    def _unknown(self) -> list[str]:
        """The flags among what was said that are none."""
        flags = (word.partition("=")[0] for word in self.words if word[:1] == "-")
        return [flag for flag in flags if flag not in self._option_string_actions]
