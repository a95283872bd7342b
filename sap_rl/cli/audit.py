"""`sap-rl audit`."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.agents import load_agent
from sap_rl.audit.run import Audit
from sap_rl.cli.status import INTERRUPTED_STATUS
from sap_rl.cli.terminal import admitted, given_loading, printed_anyway, say, set_threads
from sap_rl.extras import FIGURES, require
from sap_rl.files import check_writable, write_atomically
from sap_rl.reporting.figures.files import save_figures
from sap_rl.reporting.figures.profile import profile_figure
from sap_rl.reporting.live.bars import CellLines
from sap_rl.reporting.tables.audit import audit_report
from sap_rl.reporting.tables.evaluation import console
from sap_rl.settings.requests import audit_settings


def run_audit(args: argparse.Namespace) -> int:
    """Run both stages, print the card; Ctrl-C prints what is known, and cells are kept."""
    set_threads(args.threads)
    settings = audit_settings(admitted(vars(args)))
    if settings.corruptions:
        require(FIGURES, "pictures of corruptions")
    if args.json:
        check_writable(args.json)
    agent = load_agent(args.agent or settings.game, device=args.device, **given_loading(args))
    folder = args.out_dir or Path("runs") / "audit" / settings.game
    audit = Audit(agent, settings, folder)
    lines = CellLines(console(stderr=True, quiet=args.quiet))
    interrupted = False
    try:
        for event in audit.run():
            lines(event)
    except KeyboardInterrupt:
        interrupted = True
    card = audit.card()
    with printed_anyway(lambda: audit_report(card)):
        if args.json:
            write_atomically(args.json, card.to_json())
    if card.profile:
        for path in save_figures({"corruptions": profile_figure(card)}, folder):
            say(str(path))
    return INTERRUPTED_STATUS if interrupted else 0
