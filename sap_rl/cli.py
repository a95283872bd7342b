"""The command `sap-rl`: reads arguments, attaches listeners, prints what comes out."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import torch

from sap_rl import __version__
from sap_rl.agents import load_agent, shipped_agents
from sap_rl.atari.games import canonical_game
from sap_rl.config import EVAL_OPTIONS, EvalRequest, eval_request, read_option, read_yaml
from sap_rl.errors import UsageError, require_positive
from sap_rl.evaluation.evaluate import Event, Stage
from sap_rl.evaluation.results import check_writable, write_atomically
from sap_rl.reporting.progress import ProgressBar, TrainingBar
from sap_rl.reporting.tables import agents_table, console, evaluation_report
from sap_rl.reporting.tensorboard import TensorBoardWriter, TrainingWriter
from sap_rl.training.curve import CurveWriter
from sap_rl.training.events import Finished, TrainEvent
from sap_rl.training.loop import Training
from sap_rl.training.settings import train_settings

MAX_THREADS = 1024
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
        print(f"sap-rl: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
        return USAGE_STATUS
    except KeyboardInterrupt:
        print("sap-rl: interrupted", file=sys.stderr)  # noqa: T201
        return INTERRUPTED_STATUS


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sap-rl", description="Attack, defend and judge Atari agents.")
    parser.add_argument("--version", action="version", version=f"sap-rl {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="eval | train | agents")
    _add_eval(commands.add_parser("eval", help="play an agent under attack and report returns"))
    _add_train(commands.add_parser("train", help="train a Double-DQN agent"))
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
    parser.add_argument("--config", type=Path, help="YAML with these options; flags win over it")
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="write TensorBoard events")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as one object")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the table")


def run_eval(args: argparse.Namespace) -> int:
    """`sap-rl eval`."""
    options = read_yaml(args.config) if args.config else {}
    given = vars(args)
    options |= {name: given[name] for name in EVAL_OPTIONS if name in given}
    _set_threads(options.get("threads"))
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
    console().print(evaluation_report(evaluation))
    if args.json and any(row.episodes for row in evaluation.rows):
        write_atomically(args.json, evaluation.to_json())
    if board is not None:
        board.close(evaluation)
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


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=run_train)
    parser.add_argument("--game", required=True, help="the game to learn")
    parser.add_argument(
        "--config", type=Path, help="YAML of training options [defaults: the fast recipe]"
    )
    parser.add_argument("--steps", default=None, help="agent steps in all, e.g. 2.5e6")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder [runs/GAME]")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    start.add_argument("--init-from", metavar="AGENT", help="go on from an agent's weights")
    parser.add_argument("--seed", default="0", help="everything random follows from it [0]")
    parser.add_argument("--device", default="cpu", help="where the network learns [cpu]")
    parser.add_argument("--threads", help="threads of the learner and the emulators [torch's]")
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="write TensorBoard events")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run_train(args: argparse.Namespace) -> int:
    """`sap-rl train`; Ctrl-C and SIGTERM end it after a checkpoint, with status 130."""
    options = read_yaml(args.config) if args.config else {}
    if args.steps is not None:
        options["steps"] = args.steps
    settings = train_settings(options)
    _set_threads(args.threads)
    game = canonical_game(args.game)
    folder = args.out or Path("runs") / game
    init_from = load_agent(args.init_from) if args.init_from else None
    training = Training(
        settings,
        folder,
        game=game,
        seed=read_option("seed", args.seed),
        resume=args.resume,
        init_from=init_from,
        device=args.device,
    )
    bar = TrainingBar(console(stderr=True, quiet=args.quiet))
    listeners: list[Callable[[TrainEvent], Any]] = [bar, CurveWriter(folder)]
    if args.tensorboard:
        _check_folder(args.tensorboard)
        listeners.append(TrainingWriter(args.tensorboard))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: training.request_stop())
    complete = False
    with bar:
        for event in training.run():
            for listener in listeners:
                listener(event)
            complete = isinstance(event, Finished) and event.complete
    return 0 if complete else INTERRUPTED_STATUS


def _set_threads(threads: str | None) -> None:
    if threads is not None:
        count = read_option("threads", threads)
        require_positive("threads", count)
        if count > MAX_THREADS:
            raise UsageError(f"threads must be at most {MAX_THREADS}, got {count}")
        torch.set_num_threads(count)


def run_agents(_args: argparse.Namespace) -> int:
    """`sap-rl agents`."""
    found = shipped_agents()
    if not found:
        raise UsageError("no agents found; set SAP_RL_AGENTS to a folder of agents")
    loaded = [(load_agent(str(folder)), folder) for folder in found.values()]
    console().print(agents_table(loaded))
    return 0
