"""`sap-rl harden`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sap_rl.agents import load_agent
from sap_rl.atari.games import canonical_game
from sap_rl.cli.terminal import (
    INTERRUPTED_STATUS,
    add_loading,
    given_loading,
    listen,
    say,
    set_threads,
    stopped_by_signals,
)
from sap_rl.files import check_folder
from sap_rl.reporting.live.harden import HardenBar, HardenWriter
from sap_rl.reporting.tables.evaluation import console
from sap_rl.schema import keyed
from sap_rl.settings.flags import add_groups
from sap_rl.settings.options import read_option, read_yaml
from sap_rl.training.curve import CurveWriter
from sap_rl.training.events import Finished, Moment
from sap_rl.training.harden.run import Hardening
from sap_rl.training.harden.settings import HardenSettings, asked, harden_settings
from sap_rl.zoo.publish import write_agent

OPTIONS = keyed(HardenSettings)


def add_harden(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl harden`."""
    parser.set_defaults(run=run_harden)
    parser.add_argument("--game", required=True, help="the game it plays")
    parser.add_argument("--agent", help="a name, file, folder or hub id [the game's agent]")
    add_loading(parser)
    example = "sap-rl harden --game BankHeist --lambda 1 --minutes 15"
    groups = {"hardening options, of YAML too": OPTIONS}
    add_groups(parser, groups, example, either=("minutes", "updates"))
    parser.add_argument("--config", type=Path, help="YAML of hardening options; flags win over it")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run [runs/AGENT-hardened]")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--seed", default="0", help="everything random follows from it [0]")
    parser.add_argument("--device", default="cpu", help="where the network learns [cpu]")
    parser.add_argument("--threads", help="threads of the learner and the emulators [torch's]")
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="write TensorBoard events")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run_harden(args: argparse.Namespace) -> int:
    """Harden; Ctrl-C and SIGTERM end it after a checkpoint, with status 130."""
    options = read_yaml(args.config) if args.config else {}
    options |= asked(**{name: vars(args)[name] for name in OPTIONS if name in args})
    settings = harden_settings(options)
    set_threads(args.threads)
    game = canonical_game(args.game)
    teacher = load_agent(args.agent or game, device=args.device, **given_loading(args))
    folder = args.out or Path("runs") / f"{teacher.name}-hardened"
    hardening = Hardening(
        teacher,
        settings,
        folder,
        game=game,
        seed=read_option("seed", args.seed),
        resume=args.resume,
    )
    screen = console(stderr=True, quiet=args.quiet)
    bar = HardenBar(screen)
    listeners: list[Callable[[Moment], Any]] = [bar, CurveWriter(folder)]
    if args.tensorboard:
        check_folder(args.tensorboard)
        listeners.append(HardenWriter(args.tensorboard))
    with stopped_by_signals(hardening.request_stop), bar:
        last = listen(hardening.run(), listeners)
    if not (isinstance(last, Finished) and last.complete):
        return INTERRUPTED_STATUS
    made = write_agent(folder)
    say(f"{made}: play it with --agent {made}; ship it with sap-rl agents export")
    return 0
