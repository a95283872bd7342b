"""Flags of the command line, made of what options say of themselves."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from typing import Any

from sap_rl.schema import OptionField, keyed, read_options

LISTS = ("lambda", "preprocess", "severity")
"""Options that take several words, where what they hold is no single number."""


def add_groups(
    parser: argparse.ArgumentParser, groups: Mapping[str, Mapping[str, OptionField]], example: str,
    *, required: Collection[str] = (), either: Collection[str] = (),
) -> None:  # fmt: skip
    """A flag for every option, in groups; example: a command that works; either: options of which
    one at most is given. What is not given is not in the namespace."""
    parser.epilog = f"example: {example}"
    for title, options in groups.items():
        add_group(parser, title, options, required=required, either=either)


def add_group(
    parser: argparse.ArgumentParser, title: str, options: Mapping[str, OptionField],
    *, required: Collection[str] = (), either: Collection[str] = (),
) -> None:  # fmt: skip
    """A titled group of flags; required, either: as in `add_groups`."""
    group = parser.add_argument_group(title)
    alone = group.add_mutually_exclusive_group() if either else group
    for key, option in options.items():
        add_flag(alone if key in either else group, option, required=key in required)


def add_flag(
    parser: argparse._ActionsContainer, option: OptionField, *, required: bool = False
) -> None:  # fmt: skip
    """The flag of one option; a switch has `--no-` beside it. What Python calls it is read too."""
    flag = option.key.replace("_", "-")
    switch = option.type is bool
    nargs = "?" if switch else "+" if option.key in LISTS and option.type is not float else None
    action = parser.add_argument(
        f"--{flag}", dest=option.key, nargs=nargs, const=True if switch else None,
        default=argparse.SUPPRESS, required=required, metavar=_metavar(option),
        help=option.line.replace("%", "%%"),
    )  # fmt: skip
    vars(action)["words"] = option.choices  # what a shell may complete
    read_too(parser, action, f"--{option.name.replace('_', '-')}")
    if switch:
        parser.add_argument(
            f"--no-{flag}", dest=option.key, action="store_false", default=argparse.SUPPRESS,
            help=f"{flag} false",
        )  # fmt: skip


def read_too(parser: argparse._ActionsContainer, action: argparse.Action, flag: str) -> None:
    """Read another spelling of a flag, which no help lists: a former one, or Python's."""
    parser._option_string_actions.setdefault(flag, action)


def said(args: argparse.Namespace, settings: type) -> dict[str, Any]:
    """The arguments of a settings class that the command line gives; UsageError names one that
    cannot be used."""
    options = keyed(settings)
    given = {key: vars(args)[key] for key in options if key in args}
    return read_options(given, options)


def _metavar(option: OptionField) -> str:
    words = {bool: "true|false", int: "N", float: "X"}
    return words.get(option.type, option.key.upper())
