"""`sap-rl sweep`."""

from __future__ import annotations

import argparse
import shlex
from contextlib import ExitStack, closing
from pathlib import Path

from sap_rl.cli.status import INTERRUPTED_STATUS
from sap_rl.cli.terminal import Listeners, say
from sap_rl.errors import UsageError, require_positive, unknown
from sap_rl.files import check_folder
from sap_rl.machine import usable_cores
from sap_rl.reporting.live.sweep import SweepBars, estimate_lines
from sap_rl.reporting.live.tensorboard import SweepWriter
from sap_rl.reporting.tables.across_games import across_report
from sap_rl.reporting.tables.evaluation import console, evaluation_report
from sap_rl.settings.options import read_number, read_whole, read_yaml
from sap_rl.settings.sweep import sweep_request
from sap_rl.store.store import Store
from sap_rl.sweep.engines import ENGINES, Engine
from sap_rl.sweep.engines.local import LocalEngine
from sap_rl.sweep.engines.ray import RayEngine
from sap_rl.sweep.run import Sweep

GIVEN = ("episodes", "max_frames", "missing")
"""Options that a command line may set over those of a sweep's file."""
RAY_ALONE = ("address", "gpus")
"""Options that only the Ray engine takes."""


def run_sweep(args: argparse.Namespace) -> int:
    """Play what the store lacks, print the tables; Ctrl-C keeps what was played."""
    given = {name: vars(args)[name] for name in GIVEN if name in args}
    request = sweep_request(read_yaml(args.config), given, args.until_ci)
    for game in request.skipped:
        say(f"skipped: there is no agent for {game}", stderr=True)
    path = args.out or Path("runs") / f"{args.config.stem}.sqlite"
    check_folder(path.parent)
    with Store(path) as store:
        sweep = Sweep(request.experiments, store)
        if args.dry_run:
            return _dry_run(sweep, _workers(args))
        listeners = Listeners()
        try:
            _play(sweep, args, listeners)
        except KeyboardInterrupt:
            plan = sweep.plan()
            say(
                f"interrupted: {plan.kept} of {len(plan.tasks)} cells are complete and "
                f"{plan.begun} begun in '{path}'; go on with: {shlex.join(['sap-rl', *args.argv])}",
                stderr=True,
            )
            return listeners.told(INTERRUPTED_STATUS)
        evaluations = sweep.evaluations()
    for evaluation in evaluations:
        console().print(evaluation_report(evaluation))
    if (together := across_report(evaluations)) is not None:
        console().print(together)
    return listeners.told(0)


def _play(sweep: Sweep, args: argparse.Namespace, listeners: Listeners) -> None:
    with ExitStack() as stack:
        if args.tensorboard:
            check_folder(args.tensorboard)
            board = SweepWriter(args.tensorboard)
            stack.callback(listeners.call, board.close)
            listeners.listeners.append(board)
        bars = SweepBars(console(stderr=True, quiet=args.quiet))
        stack.enter_context(bars)
        listeners.listeners.append(bars)
        events = sweep.run(_engine(args, sweep.store))
        stack.enter_context(closing(events))  # type: ignore[type-var]
        listeners.hear(events)


def _engine(args: argparse.Namespace, store: Store) -> Engine:
    if args.engine not in ENGINES:
        raise unknown("engine", args.engine, ENGINES)
    workers = _workers(args)
    if args.engine == "local":
        for name in RAY_ALONE:
            if vars(args)[name] is not None:
                raise UsageError(f"--{name} goes with --engine ray, this is --engine local")
        return LocalEngine(store.path, workers)
    asked = None if args.workers is None else workers
    gpus = 0.0 if args.gpus is None else read_number("gpus", args.gpus)
    return RayEngine(store, asked, args.address, gpus)


def _workers(args: argparse.Namespace) -> int:
    if args.workers is None:
        return usable_cores()
    workers = read_whole("workers", args.workers)
    require_positive("workers", workers)
    return workers


def _dry_run(sweep: Sweep, workers: int) -> int:
    """Print the cells and what they would take; nothing is kept."""
    for line in estimate_lines(sweep.estimates(), workers):
        say(line)
    return 0
