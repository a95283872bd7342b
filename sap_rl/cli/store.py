"""`sap-rl store`: export, merge, list, drop."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.cli.terminal import say
from sap_rl.reporting.tables.evaluation import console
from sap_rl.reporting.tables.store import store_list
from sap_rl.store.export import WRITERS, export
from sap_rl.store.store import Store


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `sap-rl store` and their arguments."""
    commands = parser.add_subparsers(
        dest="store_command", required=True, metavar="export | merge | list | drop"
    )
    exporting = commands.add_parser("export", help="write a row per episode, CSV or Parquet")
    exporting.set_defaults(run=run_export)
    exporting.add_argument("store", type=Path, metavar="STORE")
    exporting.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help=f"ends in {' or '.join(WRITERS)}"
    )
    merging = commands.add_parser("merge", help="take over what other stores have and this lacks")
    merging.set_defaults(run=run_merge)
    merging.add_argument("store", type=Path, metavar="STORE", help="made if it is not there")
    merging.add_argument("others", type=Path, nargs="+", metavar="OTHER")
    listing = commands.add_parser("list", help="print a row per experiment, with its key")
    listing.set_defaults(run=run_list)
    listing.add_argument("store", type=Path, metavar="STORE")
    dropping = commands.add_parser("drop", help="forget experiments; their cells stay")
    dropping.set_defaults(run=run_drop)
    dropping.add_argument("store", type=Path, metavar="STORE")
    dropping.add_argument("keys", nargs="+", metavar="KEY", help="as `sap-rl store list` prints")


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
        console().print(store_list(store.listed()))
    return 0


def run_drop(args: argparse.Namespace) -> int:
    """Forget experiments; say how many."""
    with Store(args.store, make=False) as store:
        store.drop(args.keys)
    say(f"{len(args.keys)} experiment(s) forgotten; their cells stay")
    return 0
