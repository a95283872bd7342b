"""`sap-rl sweep`."""

from __future__ import annotations

import argparse
import shlex
from contextlib import ExitStack, closing
from pathlib import Path

from sap_rl.cli.status import INTERRUPTED_STATUS
from sap_rl.cli.terminal import Listeners, say
from sap_rl.files import check_folder
from sap_rl.reporting.live.sweep import SweepBars, estimate_lines
from sap_rl.reporting.live.tensorboard import SweepWriter
from sap_rl.reporting.tables.across_games import across_report
from sap_rl.reporting.tables.answer import summary
from sap_rl.reporting.tables.evaluation import console, evaluation_report
from sap_rl.settings.flags import said
from sap_rl.settings.options import read_yaml
from sap_rl.settings.sweep import sweep_request
from sap_rl.store.store import Store
from sap_rl.sweep.engines import Engine
from sap_rl.sweep.engines.choice import make_engine, workers_here
from sap_rl.sweep.run import Sweep
from sap_rl.sweep.settings import EngineSettings

GIVEN = ("episodes", "max_frames", "missing")
"""Options that a command line may set over those of a sweep's file."""


def run_sweep(args: argparse.Namespace) -> int:
    """Play what the store lacks, print the tables; Ctrl-C keeps what was played."""
    given = {name: vars(args)[name] for name in GIVEN if name in args}
    request = sweep_request(read_yaml(args.config), given, args.until_ci)
    for game in request.skipped:
        say(f"skipped: there is no agent for {game}", stderr=True)
    engine = EngineSettings(**said(args, EngineSettings))
    path = args.out or Path("runs") / f"{args.config.stem}.sqlite"
    check_folder(path.parent)
    with Store(path) as store:
        sweep = Sweep(request.experiments, store)
        if args.dry_run:
            return _dry_run(sweep, workers_here(engine))
        listeners = Listeners()
        try:
            _play(sweep, make_engine(engine, store), args, listeners)
        except KeyboardInterrupt:
            plan = sweep.plan()
            say(
                f"interrupted: {plan.kept} of {len(plan.tasks)} cells are complete and "
                f"{plan.begun} begun in '{path}'; go on with: {shlex.join(['sap-rl', *args.argv])}",
                stderr=True,
            )
            return listeners.told(INTERRUPTED_STATUS)
        evaluations = sweep.evaluations()
    if len(evaluations) > 1 and (told := summary(evaluations)):
        say(told)
        say("")
    for evaluation in evaluations:
        console().print(evaluation_report(evaluation))
    if (together := across_report(evaluations)) is not None:
        console().print(together)
    return listeners.told(0)


def _play(
    sweep: Sweep, engine: Engine, args: argparse.Namespace, listeners: Listeners
) -> None:  # fmt: skip
    with ExitStack() as stack:
        if args.tensorboard:
            check_folder(args.tensorboard)
            board = SweepWriter(args.tensorboard)
            stack.callback(listeners.call, lambda: board.close(sweep.titled()))
            listeners.listeners.append(board)
        bars = SweepBars(console(stderr=True, quiet=args.quiet))
        stack.enter_context(bars)
        listeners.listeners.append(bars)
        events = sweep.run(engine)
        stack.enter_context(closing(events))  # type: ignore[type-var]
        listeners.hear(events)


def _dry_run(sweep: Sweep, workers: int) -> int:
    """Print the cells and what they would take; nothing is kept."""
    for line in estimate_lines(sweep.estimates(), workers):
        say(line)
    return 0
