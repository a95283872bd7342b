"""What makes a shell complete the commands and flags of `sap-rl`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from sap_rl.errors import unknown
from sap_rl.extras import require

SHELLS = ("bash", "zsh", "tcsh")


class PrintCompletion(argparse.Action):
    """Prints the completion of the shell that is its value, and ends the command."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
        values: str | Sequence[Any] | None, option_string: str | None = None,
    ) -> None:  # fmt: skip
        """UsageError for another shell, and where the extra `completion` is not installed."""
        if values not in SHELLS:
            raise unknown("shell", str(values), SHELLS)
        require(("shtab",), "shell completions", "completion")
        shtab = import_module("shtab")
        _mark(parser, shtab.FILE, shtab.DIRECTORY)
        print(shtab.complete(parser, values))  # noqa: T201
        parser.exit()


def _mark(parser: argparse.ArgumentParser, file: Any, folder: Any) -> None:
    """Say of every argument what shtab asks for: words to choose from, or that it is a path."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                _mark(inner, file, folder)
        elif action.type is Path:
            vars(action)["complete"] = folder if action.metavar == "DIR" else file
        else:
            action.choices = vars(action).get("words") or action.choices
