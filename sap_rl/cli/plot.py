"""`sap-rl plot`."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.cli.terminal import say
from sap_rl.extras import FIGURES, require
from sap_rl.files import check_folder
from sap_rl.reporting.figures.files import paper_figures, save_figures
from sap_rl.store.store import load_evaluations


def add_plot(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl plot`."""
    parser.set_defaults(run=run_plot)
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="RESULT",
        help="what `sap-rl sweep` or `sap-rl eval --json` wrote, one or several",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="made if missing")


def run_plot(args: argparse.Namespace) -> int:
    """Write the figures and say where."""
    require(FIGURES, "figures")
    evaluations = load_evaluations(args.results)
    check_folder(args.out)
    for path in save_figures(paper_figures(evaluations), args.out):
        say(str(path))
    return 0
