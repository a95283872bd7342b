"""`sap-rl plot`."""

from __future__ import annotations

import argparse

from sap_rl.cli.terminal import say
from sap_rl.extras import FIGURES, require
from sap_rl.files import check_folder
from sap_rl.reporting.figures.files import paper_figures, save_figures
from sap_rl.store.store import load_evaluations


def run_plot(args: argparse.Namespace) -> int:
    """Write the figures and say where."""
    require(FIGURES, "figures")
    evaluations = load_evaluations(args.results)
    check_folder(args.out_dir)
    for path in save_figures(paper_figures(evaluations), args.out_dir):
        say(str(path))
    return 0
