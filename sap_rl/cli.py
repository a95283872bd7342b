"""The command `sap-rl`: reads arguments, attaches listeners, prints what comes out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import torch

from sap_rl import __version__
from sap_rl.agents import load_agent, shipped_agents
from sap_rl.config import EVAL_OPTIONS, EvalRequest, eval_request, read_option, read_yaml
from sap_rl.errors import UsageError, require_positive
from sap_rl.evaluation.evaluate import Event, Stage
from sap_rl.evaluation.results import check_writable, write_atomically
from sap_rl.reporting.progress import ProgressBar
from sap_rl.reporting.tables import agents_table, console, evaluation_report
from sap_rl.reporting.tensorboard import TensorBoardWriter

USAGE_STATUS = 2
INTERRUPTED_STATUS = 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def main(argv: list[str] | None = None) -> int:
    """Run `sap-rl`; returns the exit status: 0, 2 for bad input, 130 for Ctrl-C."""
    try:
        args = _parser().parse_args(argv)
        status: int = args.run(args)
        return status
    except UsageError as error:
        print(f"sap-rl: {error}", file=sys.stderr)  # noqa: T201
        return USAGE_STATUS
    except KeyboardInterrupt:
        print("sap-rl: interrupted", file=sys.stderr)  # noqa: T201
        return INTERRUPTED_STATUS


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sap-rl", description="Attack, defend and judge Atari agents.")
    parser.add_argument("--version", action="version", version=f"sap-rl {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="eval | agents")
    _add_eval(commands.add_parser("eval", help="play an agent under attack and report returns"))
    agents = commands.add_parser("agents", help="list the agents that can be played by name")
    agents.set_defaults(run=run_agents)
    return parser


def _add_eval(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=run_eval)
    for name, option in EVAL_OPTIONS.items():
        if name != "controls":
            flag = f"--{name.replace('_', '-')}"
            nargs = "+" if name == "lambda" else None
            parser.add_argument(
                flag, dest=name, nargs=nargs, default=argparse.SUPPRESS, help=option.help
            )
    parser.add_argument(
        "--no-controls", dest="controls", action="store_false", default=argparse.SUPPRESS,
        help="skip the random and matched controls: no claim can then be made",
    )  # fmt: skip
    parser.add_argument("--config", type=Path, help="YAML with these options; flags go before it")
    parser.add_argument("--threads", help="threads of torch and of the emulators [torch's]")
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="write TensorBoard events")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as one object")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the table")


def run_eval(args: argparse.Namespace) -> int:
    """`sap-rl eval`."""
    options = read_yaml(args.config) if args.config else {}
    given = vars(args)
    options |= {name: given[name] for name in EVAL_OPTIONS if name in given}
    if args.threads is not None:
        threads = read_option("num_envs", args.threads)
        require_positive("threads", threads)
        torch.set_num_threads(threads)
    request = eval_request(options)
    stage = Stage(load_agent(request.agent, device=request.device), request.settings)
    return _play(stage, request, args)


def _play(stage: Stage, request: EvalRequest, args: argparse.Namespace) -> int:
    if args.json:
        check_writable(args.json)
    listeners: list[Callable[[Event], Any]] = []
    board = None
    if args.tensorboard:
        _check_folder(args.tensorboard)
        board = TensorBoardWriter(args.tensorboard)
        listeners.append(board)
    interrupted = False
    bar = ProgressBar(stage.arms, request.settings.episodes, console(stderr=True))
    try:
        if args.quiet:
            _listen(stage, listeners)
        else:
            with bar:
                _listen(stage, [*listeners, bar])
    except KeyboardInterrupt:
        interrupted = True
    evaluation = stage.result()
    if args.json:
        write_atomically(args.json, evaluation.to_json())
    if board is not None:
        board.close(evaluation)
    console().print(evaluation_report(evaluation))
    return INTERRUPTED_STATUS if interrupted else 0


def _listen(stage: Stage, listeners: list[Callable[[Event], Any]]) -> None:
    for event in stage.play():
        for listener in listeners:
            listener(event)


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to '{folder}': {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"cannot write to '{folder}': read-only")


def run_agents(_args: argparse.Namespace) -> int:
    """`sap-rl agents`."""
    found = shipped_agents()
    if not found:
        raise UsageError("no agents found; set SAP_RL_AGENTS to a folder of agents")
    loaded = [(load_agent(str(folder)), folder) for folder in found.values()]
    console().print(agents_table(loaded))
    return 0
