"""`sap-rl harden`."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.agents import load_agent
from sap_rl.atari.games import canonical_game
from sap_rl.cli.status import INTERRUPTED_STATUS
from sap_rl.cli.terminal import Listeners, given_loading, say, set_threads, stopped_by_signals
from sap_rl.files import check_folder
from sap_rl.reporting.live.harden import HardenBar, HardenWriter
from sap_rl.reporting.tables.evaluation import console
from sap_rl.schema import keyed
from sap_rl.settings.options import read_option, read_yaml
from sap_rl.training.curve import CurveWriter
from sap_rl.training.events import Finished
from sap_rl.training.harden.run import Hardening
from sap_rl.training.harden.settings import HardenSettings, asked, harden_settings
from sap_rl.zoo.publish import write_agent

OPTIONS = keyed(HardenSettings)


def run_harden(args: argparse.Namespace) -> int:
    """Harden; Ctrl-C and SIGTERM end it after a checkpoint, with status 130."""
    options = read_yaml(args.config) if args.config else {}
    options |= asked(**{name: vars(args)[name] for name in OPTIONS if name in args})
    settings = harden_settings(options)
    set_threads(args.threads)
    game = canonical_game(args.game)
    teacher = load_agent(args.agent or game, device=args.device, **given_loading(args))
    folder = args.out_dir or Path("runs") / f"{teacher.name}-hardened"
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
    listeners = Listeners(bar, CurveWriter(folder))
    if args.tensorboard:
        check_folder(args.tensorboard)
        listeners.listeners.append(HardenWriter(args.tensorboard))
    with stopped_by_signals(hardening.request_stop), bar:
        last = listeners.hear(hardening.run())
    if not (isinstance(last, Finished) and last.complete):
        return listeners.told(INTERRUPTED_STATUS)
    made = write_agent(folder)
    say(f"{made}: play it with --agent {made}; ship it with sap-rl agents export")
    return listeners.told(0)
