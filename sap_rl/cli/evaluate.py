"""`sap-rl eval`."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from sap_rl.cli.status import INTERRUPTED_STATUS
from sap_rl.cli.terminal import Listeners, given_options, load_players, printed_anyway, set_threads
from sap_rl.evaluation.facts import Origin
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.files import check_folder, check_writable, write_atomically
from sap_rl.reporting.live.bars import ProgressBar
from sap_rl.reporting.live.tensorboard import TensorBoardWriter
from sap_rl.reporting.tables.evaluation import console, evaluation_report
from sap_rl.settings.options import eval_options
from sap_rl.settings.requests import EvalRequest, eval_request


def run_eval(args: argparse.Namespace) -> int:
    """Play the arms, print the table; Ctrl-C prints what is known."""
    options = given_options(args, eval_options())
    set_threads(options.get("threads"))
    request = eval_request(options)
    agent, other = load_players(request)
    origin = Origin.of(request.agent, request.loading, request.other)
    run = EvaluationRun(agent, request.settings, other, origin=origin)
    return _play(run, request, args)


def _play(run: EvaluationRun, request: EvalRequest, args: argparse.Namespace) -> int:
    if args.json:
        check_writable(args.json)
    listeners = Listeners()
    board = None
    if args.tensorboard:
        check_folder(args.tensorboard)
        board = TensorBoardWriter(args.tensorboard)
        listeners.listeners.append(board)
    interrupted = False
    try:
        with ExitStack() as shown:
            if not args.quiet:
                bar = ProgressBar(run.arms, request.settings.episodes, console(stderr=True))
                shown.enter_context(bar)
                listeners.listeners.append(bar)
            listeners.hear(run.play())
    except KeyboardInterrupt:
        interrupted = True
    evaluation = run.result()
    try:
        with printed_anyway(lambda: evaluation_report(evaluation)):
            if args.json and any(row.episodes for row in evaluation.rows):
                write_atomically(args.json, evaluation.to_json())
    finally:
        if board is not None:
            listeners.call(board.close, evaluation)
        status = listeners.told(INTERRUPTED_STATUS if interrupted else 0)
    return status
