"""`sap-rl compare` and `sap-rl game`: what finished evaluations say together."""

from __future__ import annotations

import argparse

from sap_rl.cli.status import FAILED_STATUS
from sap_rl.cli.terminal import printed_anyway
from sap_rl.compare.matrix import matrix_games, matrix_games_json
from sap_rl.compare.pairs import Comparison, compare
from sap_rl.compare.paper import PaperComparison, against_paper
from sap_rl.errors import UsageError
from sap_rl.files import check_writable, write_atomically
from sap_rl.reporting.tables.comparisons import comparison_report, paper_report
from sap_rl.reporting.tables.matrix_game import matrix_games_report
from sap_rl.settings.options import read_option
from sap_rl.store.store import load_evaluations


def run_compare(args: argparse.Namespace) -> int:
    """Print the cells of both sides; status 0 if none differs, 1 if one does."""
    if args.paper == (args.b is not None):
        raise UsageError("say either A and B, or A and --paper")
    if args.json:
        check_writable(args.json)
    ours = load_evaluations(args.a)
    found: Comparison | PaperComparison
    if args.paper:
        found = against_paper(ours)
        report = paper_report(found)
    else:
        found = compare(ours, load_evaluations(args.b))
        report = comparison_report(found)
    with printed_anyway(lambda: report):
        if args.json:
            write_atomically(args.json, found.to_json())
    return FAILED_STATUS if found.differs else 0


def run_game(args: argparse.Namespace) -> int:
    """Print the payoffs and both sides' mixtures of every game and lambda."""
    if args.json:
        check_writable(args.json)
    found = matrix_games(load_evaluations(args.results), seed=read_option("seed", args.seed))
    with printed_anyway(lambda: matrix_games_report(found)):
        if args.json:
            write_atomically(args.json, matrix_games_json(found))
    return 0
