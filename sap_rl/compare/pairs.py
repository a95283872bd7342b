"""Two collections of evaluations, cell by cell: which returns differ beyond noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sap_rl.compare.played import CellName, Played, differences, lookalikes, played_cells
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Evaluation
from sap_rl.plain import json_object, to_plain
from sap_rl.statistics.significance import (
    Difference,
    holm,
    independent_difference,
    paired_difference,
)

ALPHA = 0.05
"""Chance of any false alarm among all cells of a comparison."""


@dataclass(frozen=True)
class ComparedCell:
    """One cell on both sides.

    a, b: mean returns; episodes_a, episodes_b: those that are compared; difference, low, high:
    b - a with the 95% interval of this cell alone; paired: episode by episode; p, p_holm: of the t
    test, alone and as one of all cells compared; identical: every return is equal; flags: as in
    `Interval`.
    """

    name: CellName
    a: float
    b: float
    episodes_a: int
    episodes_b: int
    difference: float
    low: float
    high: float
    paired: bool
    p: float
    p_holm: float
    identical: bool
    flags: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether the sides differ beyond noise, all cells of the comparison being one family."""
        return self.p_holm < ALPHA


@dataclass(frozen=True)
class Comparison:
    """All cells of both sides.

    only_a, only_b: on one side alone; short: on both, with too few episodes in common for a test;
    notes: facts other than the protocol that differ between the sides.
    """

    cells: tuple[ComparedCell, ...]
    only_a: tuple[CellName, ...]
    only_b: tuple[CellName, ...]
    short: tuple[CellName, ...]
    notes: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether any cell does."""
        return any(cell.differs for cell in self.cells)

    def to_json(self) -> str:
        """One JSON object; never NaN or Infinity."""
        cells = [to_plain(cell) | {"differs": cell.differs} for cell in self.cells]
        whole = to_plain(self) | {"cells": cells, "differs": self.differs, "alpha": ALPHA}
        return json_object(whole)


def compare(a: Sequence[Evaluation], b: Sequence[Evaluation]) -> Comparison:
    """Match the complete cells of two sides by what they are, and test each.

    Paired by episode where the sides share seeds, over the episodes that both have; else Welch's
    test over all. UsageError where nothing matches, and where a cell's protocols differ.
    """
    alike = lookalikes(a) | lookalikes(b)
    ours, theirs = played_cells(a, "A", alike), played_cells(b, "B", alike)
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        raise UsageError(_nothing_shared(ours, theirs))
    for name in shared:
        first, second = (next(iter(side[name].values())) for side in (ours, theirs))
        if apart := differences(first.protocol, second.protocol):
            raise UsageError(
                f"A and B have different protocols in {name.text}: {'; '.join(apart)}; returns "
                "under different protocols are not compared"
            )
    samples = {name: _Sample.of(ours[name], theirs[name]) for name in shared}
    enough = {name: sample for name, sample in samples.items() if sample.enough}
    tests = {name: sample.test() for name, sample in enough.items()}
    adjusted = holm([test.p for test in tests.values()])
    return Comparison(
        tuple(
            _compared(name, enough[name], test, p)
            for (name, test), p in zip(tests.items(), adjusted, strict=True)
        ),
        tuple(sorted(ours.keys() - theirs.keys())),
        tuple(sorted(theirs.keys() - ours.keys())),
        tuple(name for name in shared if name not in enough),
        _notes([(ours[name], theirs[name]) for name in shared]),
    )


@dataclass(frozen=True)
class _Sample:
    """The returns [E], [F] that are compared."""

    a: np.ndarray
    b: np.ndarray
    paired: bool

    @staticmethod
    def of(ours: Mapping[int, Played], theirs: Mapping[int, Played]) -> _Sample:
        """Pair the episodes that both sides have of the same seeds; unpaired if none is shared."""
        seeds = sorted(ours.keys() & theirs.keys())
        if not seeds:
            return _Sample(_returns(ours), _returns(theirs), paired=False)
        common = {s: min(ours[s].row.episodes, theirs[s].row.episodes) for s in seeds}
        first, second = (
            np.concatenate([side[s].row.returns[: common[s]] for s in seeds])
            for side in (ours, theirs)
        )
        return _Sample(first, second, paired=True)

    @property
    def enough(self) -> bool:
        return min(self.a.size, self.b.size) >= 2

    def test(self) -> Difference:
        return (paired_difference if self.paired else independent_difference)(self.a, self.b)


def _returns(side: Mapping[int, Played]) -> np.ndarray:
    return np.concatenate([side[seed].row.returns for seed in sorted(side)])


def _compared(name: CellName, sample: _Sample, test: Difference, p_holm: float) -> ComparedCell:
    interval = test.interval
    assert interval.low is not None
    assert interval.high is not None
    return ComparedCell(
        name,
        float(sample.a.mean()),
        float(sample.b.mean()),
        sample.a.size,
        sample.b.size,
        interval.mean,
        interval.low,
        interval.high,
        sample.paired,
        test.p,
        p_holm,
        sample.paired and np.array_equal(sample.a, sample.b),
        interval.flags,
    )


def _nothing_shared(ours: Mapping[CellName, Any], theirs: Mapping[CellName, Any]) -> str:
    """Why no cell of A is a cell of B."""
    if not ours or not theirs:
        return f"{'A' if not ours else 'B'} holds no complete cell"
    for kind in ("game", "agent", "lam", "attack", "victim", "defense"):
        a, b = ({getattr(name, kind) for name in side} - {"", 0.0} for side in (ours, theirs))
        if not a & b and (a or b):
            return (
                f"A and B have no cell in common: {'lambda' if kind == 'lam' else kind} "
                f"{_listed(a)} against {_listed(b)}"
            )
    return (
        f"A and B have no cell in common: {next(iter(sorted(ours))).text} against "
        f"{next(iter(sorted(theirs))).text}"
    )


def _listed(values: set[Any]) -> str:
    shown = [f"{value:g}" if isinstance(value, float) else str(value) for value in sorted(values)]
    return ", ".join(shown) or "none"


def _notes(pairs: Sequence[tuple[Mapping[int, Played], Mapping[int, Played]]]) -> tuple[str, ...]:
    """Facts that differ between the sides, with all values of either."""
    sides: tuple[dict[str, set[str]], dict[str, set[str]]] = ({}, {})
    for pair in pairs:
        for seeds, values in zip(pair, sides, strict=True):
            for cell in seeds.values():
                for key, value in cell.said.items():
                    values.setdefault(key, set()).add(value)
    keys = [*sides[0], *(key for key in sides[1] if key not in sides[0])]
    return tuple(
        f"{key}: {_listed(sides[0].get(key, set()))} in A, {_listed(sides[1].get(key, set()))} in B"
        for key in keys
        if sides[0].get(key) != sides[1].get(key)
    )
