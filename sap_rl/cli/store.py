"""`sap-rl store`: export, merge, list, drop."""

from __future__ import annotations

import argparse

from sap_rl.cli.terminal import say
from sap_rl.reporting.tables.evaluation import console
from sap_rl.reporting.tables.store import store_list
from sap_rl.store.export import export
from sap_rl.store.store import Store


def run_export(args: argparse.Namespace) -> int:
    """Write the table; say how many rows it has."""
    with Store(args.store, make=False) as store:
        rows = export(store, args.out)
    say(f"{rows} episodes in {args.out}")
    return 0


def run_merge(args: argparse.Namespace) -> int:
    """Merge; say how many cells were taken over from each."""
    with Store(args.store) as store:
        for path in args.others:
            with Store(path, make=False) as other:
                taken = store.merge(other)
            say(f"{taken} cells from {path}")
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Print what the store holds."""
    with Store(args.store, make=False) as store:
        console().print(store_list(store.listed(), store.alone()))
    return 0


def run_drop(args: argparse.Namespace) -> int:
    """Forget experiments; say how many."""
    with Store(args.store, make=False) as store:
        store.drop(args.keys)
    say(f"{len(args.keys)} experiment(s) forgotten; their cells stay")
    return 0
