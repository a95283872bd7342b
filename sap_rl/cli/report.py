"""`sap-rl report`."""

from __future__ import annotations

import argparse
from pathlib import Path

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


def add_report(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl report`."""
    parser.set_defaults(run=run_report)
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="RESULT",
        help="what `sap-rl sweep` or `sap-rl eval --json` wrote, one or several",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the page, .html")
    parser.add_argument(
        "--seconds", default=20, help="of each film, at half the speed of the console [20]"
    )
    parser.add_argument("--no-film", dest="film", action="store_false", help="play no games")
    parser.add_argument("--threads", help="threads of torch and of the emulators [torch's]")
    parser.add_argument("--quiet", action="store_true", help="no progress")


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
