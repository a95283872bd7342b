"""Who keeps what: the tables of docs/rivals.md from the store of its sweep.

    sap-rl sweep rivals --episodes 16 --max-frames 2400 --out runs/rivals.sqlite
    python scripts/rivals.py runs/rivals.sqlite

Per game, defence and lambda the attack that leaves the defence least counts, and beside it the
noise control under the same attack. Markdown, on stdout.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.reporting.tables.text import markdown
from sap_rl.seeds import numpy_stream
from sap_rl.statistics.intervals import Interval, difference_interval
from sap_rl.store.store import load_evaluations


@dataclass(frozen=True)
class Kept:
    """A defence's games under the attack that leaves it least, and those beside them: without a
    defence, and with noise that flips as many actions."""

    defended: Row
    original: Row
    noise: Row | None


def weakest(evaluations: Iterable[Evaluation], lam: float) -> Kept | None:
    """Of one defence on one game."""
    found = [
        Kept(row, original, evaluation.row("noise-control", lam, row.victim))
        for evaluation in evaluations
        for row in evaluation.rows
        if row.arm == "defended" and row.lam == lam and row.complete
        if (original := evaluation.original(lam)) is not None
    ]
    return min(found, key=lambda kept: kept.defended.mean or 0.0, default=None)


def text(interval: Interval, sign: str = "") -> str:
    """`12.5 [9, 16]`, the mean alone where there is no interval."""
    if interval.low is None or interval.high is None:
        return f"{interval.mean:{sign}.1f}"
    return f"{interval.mean:{sign}.1f} [{interval.low:{sign}.0f}, {interval.high:{sign}.0f}]"


def mean(row: Row) -> str:
    return text(Interval(row.mean or 0.0, row.ci_low, row.ci_high))


def difference(first: Row, second: Row | None) -> str:
    """Paired by episode."""
    if second is None:
        return "-"
    rng = numpy_stream(0, "rivals")
    return text(difference_interval(first.returns, second.returns, rng=rng), "+")


def tables(game: str, evaluations: Sequence[Evaluation]) -> str:
    """What each defence keeps, then its difference from no defence and from noise."""
    lams = sorted({row.lam for e in evaluations for row in e.rows if row.arm == "original"})
    head = ["defence", "no attack", *(f"lambda {lam:g}" for lam in lams[1:])]
    original = [next(row for e in evaluations if (row := e.original(lam))) for lam in lams]
    kept = [head, ["none", *map(mean, original)]]
    beside = [head]
    names = dict.fromkeys(str(evaluation.settings.defense) for evaluation in evaluations)
    for name in names:
        of = [weakest((e for e in evaluations if e.settings.defense == name), lam) for lam in lams]
        kept.append([f"`{name}`", *(mean(one.defended) if one else "-" for one in of)])
        cells = [difference(one.defended, one.original) if one else "-" for one in of]
        beside.append([f"`{name}` - none", *cells])
        if any(one and one.noise for one in of):
            cells = [difference(one.defended, one.noise) if one else "-" for one in of]
            beside.append([f"`{name}` - noise", *cells])
    return "\n".join([f"## {game}", "", markdown(kept), markdown(beside)])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("store", type=Path, help="of the sweep")
    evaluations = load_evaluations(parser.parse_args(argv).store)
    for game in dict.fromkeys(evaluation.settings.game for evaluation in evaluations):
        print(tables(game, [e for e in evaluations if e.settings.game == game]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
