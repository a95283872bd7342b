"""The command `sap-rl` reads arguments, attaches listeners and prints what comes out."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from sap_rl import __version__
from sap_rl.cli.arguments import commands
from sap_rl.cli.arguments.agents import add_agents
from sap_rl.cli.arguments.vision import add_vision
from sap_rl.cli.completion import SHELLS, PrintCompletion
from sap_rl.cli.parser import Parser
from sap_rl.cli.status import INTERRUPTED_STATUS, USAGE_STATUS
from sap_rl.errors import UsageError
from sap_rl.files import exists

COMMANDS = {
    "eval": (commands.add_eval, "play an agent under attack and report returns"),
    "audit": (
        commands.add_audit,
        "attack an agent with a whole suite and report the worst case",
    ),
    "certify": (
        commands.add_certify,
        "say which actions no attack inside the budget can change",
    ),
    "film": (
        commands.add_film,
        "film an agent's games under attack, without and with a defence",
    ),
    "plot": (commands.add_plot, "draw results as PDF and PNG for a paper"),
    "report": (commands.add_report, "write one self-contained page about results"),
    "sweep": (
        commands.add_sweep,
        "play many evaluations into a store; goes on where it was interrupted",
    ),
    "store": (commands.add_store, "list, export, merge stores of sweeps; drop experiments"),
    "compare": (
        commands.add_compare,
        "which cells of two evaluations, or of one and the paper, differ",
    ),
    "game": (commands.add_game, "the best mixtures of defences and of attacks"),
    "train": (commands.add_train, "train a Double-DQN agent"),
    "harden": (
        commands.add_harden,
        "make an agent robust by adversarial distillation from itself",
    ),
    "vision": (
        add_vision,
        "the paper's CIFAR-10 half: train classifiers, attack them, draw the figures",
    ),
    "attacks": (commands.add_attacks, "list the attacks; print one's options"),
    "corruptions": (commands.add_corruptions, "list the corruptions; print one's severity"),
    "defenses": (commands.add_defenses, "list the defences; print one's options"),
    "agents": (
        add_agents,
        "list the agents that can be played by name; show, import, export, check",
    ),
}
"""Command -> what adds its arguments, and what its help says."""
WRITTEN = ("out", "json", "plot")
"""Arguments that are files to be written."""


def main(argv: list[str] | None = None) -> int:
    """Run `sap-rl`; returns the exit status.

    0, 1 where a check or a listener failed or a comparison found a difference, 2 for bad input and
    files that cannot be read or written, 130 for Ctrl-C and SIGTERM.
    """
    try:
        args = _parser().parse_all(argv)
        _require_folder()
        _require_apart(vars(args))
        args.argv = sys.argv[1:] if argv is None else argv
        module, _, name = args.run.partition(":")
        run: Callable[[argparse.Namespace], int] = getattr(import_module(module), name)
        with interrupted_by_signals():
            status = run(args)
            sys.stdout.flush()  # while a full disk or a signal is told as any other
        return status
    except (UsageError, OSError) as error:
        line = str(UsageError(_told(error)))  # bounded and without controls, whoever raised it
        print(f"sap-rl: {' '.join(line.split())}", file=sys.stderr)  # noqa: T201
        return USAGE_STATUS
    except KeyboardInterrupt:
        print("sap-rl: interrupted", file=sys.stderr)  # noqa: T201
        return INTERRUPTED_STATUS


def _told(error: Exception) -> object:
    """What an error says; of one without a file, that the output could not be written."""
    if not isinstance(error, OSError) or error.strerror is None:
        return error
    if error.filename is None:
        return f"what was to be printed or kept cannot be written: {error.strerror}"
    return f"'{error.filename}': {error.strerror}"


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Ctrl-C and, as it, SIGTERM raise KeyboardInterrupt within the block, where signals can be
    caught: in the main thread. One that is ignored stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) != signal.SIG_IGN]
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _require_apart(given: dict[str, Any]) -> None:
    """Refuse to write over a file that the same command reads."""
    written = [path for name in WRITTEN if isinstance(path := given.get(name), Path)]
    others = [value for name, value in given.items() if name not in WRITTEN]
    flat = (part for value in others for part in (value if isinstance(value, list) else [value]))
    read = [Path(part) for part in flat if isinstance(part, str | Path) and exists(Path(part))]
    for path in filter(exists, written):
        if any(path.samefile(other) for other in read):
            raise UsageError(f"cannot write '{path}': this command reads it, name another")


def _require_folder() -> None:
    """UsageError where the working folder was deleted, without which torch ends the process."""
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError("the folder that you are in is gone: cd to another") from error


def _parser() -> Parser:
    parser = Parser(prog="sap-rl", description="Attack, defend and judge Atari agents.")
    parser.add_argument("--version", action="version", version=f"sap-rl {__version__}")
    parser.add_argument(
        "--print-completion", action=PrintCompletion, metavar="SHELL",
        help=f"print what makes a shell complete commands and flags: {', '.join(SHELLS)}",
    )  # fmt: skip
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (add, text) in COMMANDS.items():
        add(subparsers.add_parser(name, help=text))
    return parser
