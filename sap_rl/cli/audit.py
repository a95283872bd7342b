"""`sap-rl audit`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from sap_rl.agents import load_agent
from sap_rl.cli.terminal import INTERRUPTED_STATUS, set_threads
from sap_rl.config import audit_settings
from sap_rl.evaluation.audit import Audit
from sap_rl.evaluation.audit_settings import Budget
from sap_rl.evaluation.results import check_writable, write_atomically
from sap_rl.reporting.card import audit_report
from sap_rl.reporting.progress import CellLines
from sap_rl.reporting.tables import console


def add_audit(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.set_defaults(run=run_audit)
    unset = argparse.SUPPRESS
    parser.add_argument("--game", required=True, help="the game: BankHeist, bank_heist, ...")
    parser.add_argument("--agent", help="an agent's name or folder [the game's shipped agent]")
    parser.add_argument("--defense", default=unset, help="sap-100 (any sap-K), or none [sap-100]")
    parser.add_argument(
        "--lambda", dest="lambda", nargs="+", default=unset,
        help="budgets in pixel units 0..255 [0.25 for quick, else 0.05 to 8]",
    )  # fmt: skip
    parser.add_argument(
        "--budget", default=unset,
        help=f"{', '.join(get_args(Budget))}: 15 minutes, 2 hours, unbounded [standard]",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="finished cells [runs/audit/GAME]")
    for name, text in (
        ("episodes", "of each cell [10, 10 to 30, 100 by budget]"),
        ("frames", "recorded frames per lambda [at most 512, by budget]"),
        ("max-frames", "cap in emulator frames [18000]"),
        ("seed", "everything random follows from it [0]"),
    ):
        parser.add_argument(f"--{name}", dest=name.replace("-", "_"), default=unset, help=text)
    parser.add_argument("--device", default="cpu", help="where networks compute [cpu]")
    parser.add_argument("--threads", help="threads of torch and of the emulators [torch's]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as one object")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the card")


def run_audit(args: argparse.Namespace) -> int:
    """Run both stages, print the card; Ctrl-C prints what is known, and cells are kept."""
    set_threads(args.threads)
    settings = audit_settings(vars(args))
    if args.json:
        check_writable(args.json)
    agent = load_agent(args.agent or settings.game, device=args.device)
    audit = Audit(agent, settings, args.out or Path("runs") / "audit" / settings.game)
    lines = CellLines(console(stderr=True, quiet=args.quiet))
    interrupted = False
    try:
        for event in audit.run():
            lines(event)
    except KeyboardInterrupt:
        interrupted = True
    card = audit.card()
    console().print(audit_report(card))
    if args.json:
        write_atomically(args.json, card.to_json())
    return INTERRUPTED_STATUS if interrupted else 0
