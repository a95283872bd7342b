"""`sap-rl audit`."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.agents import load_agent
from sap_rl.audit.run import Audit
from sap_rl.cli.terminal import (
    INTERRUPTED_STATUS,
    add_loading,
    given_loading,
    set_threads,
)
from sap_rl.files import check_writable, write_atomically
from sap_rl.reporting.live.bars import CellLines
from sap_rl.reporting.tables.audit import audit_report
from sap_rl.reporting.tables.evaluation import console
from sap_rl.settings.flags import add_groups
from sap_rl.settings.options import AUDIT_GROUPS
from sap_rl.settings.requests import audit_settings


def add_audit(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl audit`."""
    parser.set_defaults(run=run_audit)
    parser.add_argument("--agent", help="an agent's name or folder [the game's shipped agent]")
    add_loading(parser)
    add_groups(parser, AUDIT_GROUPS, "sap-rl audit --game BankHeist", required=("game",))
    parser.add_argument("--out", type=Path, metavar="DIR", help="finished cells [runs/audit/GAME]")
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
    agent = load_agent(args.agent or settings.game, device=args.device, **given_loading(args))
    audit = Audit(agent, settings, args.out or Path("runs") / "audit" / settings.game)
    lines = CellLines(console(stderr=True, quiet=args.quiet))
    interrupted = False
    try:
        for event in audit.run():
            lines(event)
    except KeyboardInterrupt:
        interrupted = True
    card = audit.card()
    if args.json:
        write_atomically(args.json, card.to_json())
    console().print(audit_report(card))
    return INTERRUPTED_STATUS if interrupted else 0
