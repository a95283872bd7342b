"""`sap-rl report`."""

from __future__ import annotations

import argparse

from sap_rl.cli.terminal import say, set_threads
from sap_rl.extras import FILMS, PAGES, require
from sap_rl.files import check_writable, write_atomically
from sap_rl.reporting.figures.curves import panels
from sap_rl.reporting.live.bars import FilmsBar
from sap_rl.reporting.page.extras import collect
from sap_rl.reporting.page.page import report_page
from sap_rl.reporting.tables.evaluation import console
from sap_rl.settings.requests import read_seconds
from sap_rl.store.store import load_evaluations


def run_report(args: argparse.Namespace) -> int:
    """Play the films, write the page and say what is missing."""
    check_writable(args.out)
    require((*PAGES, *FILMS) if args.film else PAGES, "reports")
    seconds = read_seconds(args.seconds)
    set_threads(args.threads)
    shown = panels(load_evaluations(args.results))
    bar = FilmsBar(len(shown), console(stderr=True, quiet=args.quiet))
    with bar:
        extras = collect(shown, seconds=seconds if args.film else None, watch=bar)
    write_atomically(args.out, report_page(shown, extras))
    for part in extras:
        for note in part.notes:
            say(note, stderr=True)
    say(f"{args.out}: {args.out.stat().st_size:,} bytes")
    return 0
