"""`sap-rl audit`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from sap_rl.agents import load_agent
from sap_rl.attacks.learned import admit_learned
from sap_rl.audit.ended import CellEnded
from sap_rl.audit.run import Audit
from sap_rl.audit.settings import AuditSettings
from sap_rl.cli.status import INTERRUPTED_STATUS
from sap_rl.cli.terminal import admitted, given_loading, printed_anyway, say, set_threads
from sap_rl.extras import FIGURES, LEARNERS, require
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
    if settings.learned:
        require(LEARNERS, "attackers that learn", "sb3")
    if args.json:
        check_writable(args.json)
    agent = load_agent(args.agent or settings.game, device=args.device, **given_loading(args))
    folder = args.out_dir or Path("runs") / "audit" / settings.game
    audit = Audit(agent, settings, folder)
    lines = CellLines(console(stderr=True, quiet=args.quiet))
    interrupted = False
    try:
        if settings.learned:
            audit = Audit(agent, _with_learned(audit, folder, lines), folder)
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


def _with_learned(audit: Audit, folder: Path, lines: CellLines) -> AuditSettings:
    """The audit's settings with an attacker that learns now, or goes on, in the folder."""
    from sap_rl.audit.learned import file_name, train

    (lam,) = audit.settings.budgets
    path = folder / file_name(audit.facts.run, lam)
    for number, lesson in enumerate(train(audit.facts.run, lam, path, audit.settings.minutes), 1):
        ended = f", the victim returns {np.mean(lesson.returns):.1f}" if lesson.returns else ""
        lines(CellEnded("learning", number, f"{lesson.steps} steps{ended}", lesson.seconds))
    return replace(audit.settings, learned=False, attack=admit_learned(f"learned:{path}"))
