"""`sap-rl train`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sap_rl.agents import find_agent, load_agent
from sap_rl.atari.games import canonical_game
from sap_rl.cli.terminal import INTERRUPTED_STATUS, listen, set_threads, stopped_by_signals
from sap_rl.files import check_folder
from sap_rl.reporting.live.bars import TrainingBar
from sap_rl.reporting.live.tensorboard import TrainingWriter
from sap_rl.reporting.tables.evaluation import console
from sap_rl.schema import keyed
from sap_rl.settings.flags import add_groups
from sap_rl.settings.options import read_option, read_yaml
from sap_rl.training.curve import CurveWriter
from sap_rl.training.dqn.run import Training
from sap_rl.training.dqn.settings import TrainSettings, train_settings
from sap_rl.training.events import Finished, Moment

OPTIONS = keyed(TrainSettings)


def add_train(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl train`."""
    parser.set_defaults(run=run_train)
    parser.add_argument("--game", required=True, help="the game to learn")
    parser.add_argument(
        "--config", type=Path, help="YAML of training options [defaults: the fast recipe]"
    )
    example = "sap-rl train --game BankHeist --steps 2.5e6"
    add_groups(parser, {"training options, of YAML too": OPTIONS}, example)
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
    """Train; Ctrl-C and SIGTERM end it after a checkpoint, with status 130."""
    options = read_yaml(args.config) if args.config else {}
    options |= {name: vars(args)[name] for name in OPTIONS if name in args}
    settings = train_settings(options)
    set_threads(args.threads)
    game = canonical_game(args.game)
    folder = args.out or Path("runs") / game
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
    listeners: list[Callable[[Moment], Any]] = [bar, CurveWriter(folder, parent)]
    if args.tensorboard:
        check_folder(args.tensorboard)
        listeners.append(TrainingWriter(args.tensorboard))
    with stopped_by_signals(training.request_stop), bar:
        last = listen(training.run(), listeners)
    return 0 if isinstance(last, Finished) and last.complete else INTERRUPTED_STATUS
