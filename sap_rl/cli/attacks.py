"""`sap-rl attacks`, `corruptions` and `defenses`: what there is, and what an entry takes."""

from __future__ import annotations

import argparse

from sap_rl.attacks import ATTACKS, attack_options
from sap_rl.corruptions import CORRUPTIONS, find_corruption
from sap_rl.defenses import DEFENSES, defense_options
from sap_rl.reporting.tables.entries import (
    attacks_table,
    corruption_table,
    corruptions_table,
    defenses_table,
    options_table,
)
from sap_rl.reporting.tables.evaluation import console


def run_attacks(args: argparse.Namespace) -> int:
    """Print the attacks, or one's options."""
    if args.name is None:
        console().print(attacks_table(ATTACKS))
    else:
        options = attack_options(args.name)
        console().print(options_table(args.name, ATTACKS[args.name].make, options))
    return 0


def run_corruptions(args: argparse.Namespace) -> int:
    """Print the corruptions, or one's severity and limits."""
    if args.name is None:
        console().print(corruptions_table(CORRUPTIONS))
    else:
        console().print(corruption_table(args.name, find_corruption(args.name)))
    return 0


def run_defenses(args: argparse.Namespace) -> int:
    """Print the defences, or one's options."""
    if args.name is None:
        console().print(defenses_table(DEFENSES))
    else:
        options = defense_options(args.name)
        console().print(options_table(args.name, DEFENSES[args.name].make, options))
    return 0
