"""`sap-rl train`."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.agents import find_agent, load_agent
from sap_rl.atari.games import canonical_game
from sap_rl.cli.status import INTERRUPTED_STATUS
from sap_rl.cli.terminal import Listeners, given_options, set_threads, stopped_by_signals
from sap_rl.files import check_folder
from sap_rl.reporting.live.bars import TrainingBar
from sap_rl.reporting.live.tensorboard import TrainingWriter
from sap_rl.reporting.tables.evaluation import console
from sap_rl.schema import keyed
from sap_rl.settings.options import read_option
from sap_rl.training.curve import CurveWriter
from sap_rl.training.dqn.run import Training
from sap_rl.training.dqn.settings import TrainSettings, train_settings
from sap_rl.training.events import Finished


def run_train(args: argparse.Namespace) -> int:
    """Train; Ctrl-C and SIGTERM end it after a checkpoint, with status 130."""
    settings = train_settings(given_options(args, keyed(TrainSettings)))
    set_threads(args.threads)
    game = canonical_game(args.game)
    folder = args.out_dir or Path("runs") / game
    parent = find_agent(args.init_from) if args.init_from else None
    training = Training(
        settings,
        folder,
        game=game,
        seed=read_option("seed", args.seed),
        resume=args.resume,
        init_from=load_agent(parent) if parent else None,
        device=args.device,
    )
    bar = TrainingBar(console(stderr=True, quiet=args.quiet))
    listeners = Listeners(bar, CurveWriter(folder, parent))
    if args.tensorboard:
        check_folder(args.tensorboard)
        listeners.listeners.append(TrainingWriter(args.tensorboard))
    with stopped_by_signals(training.request_stop), bar:
        last = listeners.hear(training.run())
    complete = isinstance(last, Finished) and last.complete
    return listeners.told(0 if complete else INTERRUPTED_STATUS)
