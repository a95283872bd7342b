"""Which checks apply to an evaluation's rows, and what they find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from sap_rl.evaluation.checks import (
    budget_lost,
    floor_not_reached,
    no_better_than_random,
    no_variance,
    return_rises,
    too_few_episodes,
    transfer_stronger,
    zero_gradients,
)
from sap_rl.evaluation.comparison import Finding
from sap_rl.evaluation.results import Change, Row
from sap_rl.evaluation.settings import Settings
from sap_rl.play.arms import gradient_words


def evaluation_findings(
    settings: Settings, rows: Iterable[Row], changes: Iterable[Change]
) -> tuple[Finding, ...]:
    """What the complete rows of an evaluation give reason to distrust, in the rows' order."""
    done = [row for row in rows if row.complete]
    found: list[Finding | None] = []
    for row in done:
        found += row_findings(row, settings.protocol.observation)
    found += _between_rows(done)
    at = {(row.arm, row.lam, row.victim): row for row in done}
    for change in changes:
        defended = at["defended", change.lam, change.victim]
        original = at["original", change.lam, settings.victim_of_original(change.lam)]
        difference = np.subtract(defended.returns, original.returns)
        where = f"change at {change.level}{_gradient(change.victim)}"
        found.append(too_few_episodes(difference, where=where))
    return tuple(finding for finding in found if finding is not None)


def row_findings(row: Row, observation: str) -> Iterator[Finding | None]:
    """The checks that need one row alone."""
    where = _where(row)
    yield no_variance(row.returns, where=where)
    if row.idle is not None and row.backward_passes:
        yield zero_gradients(row.idle, where=where)
    if row.linf_mean is not None and observation == "uint8" and row.struck:
        # Averages over all steps; where the schedule did not strike nothing was to be lost.
        yield budget_lost(row.lam, row.linf_mean / row.struck, where=where)


def _between_rows(rows: list[Row]) -> Iterator[Finding | None]:
    at = {(row.arm, row.lam, row.victim): row for row in rows}
    floor = at.get(("random", 0.0, None))
    clean = at.get(("original", 0.0, None))
    if floor is not None and clean is not None:
        yield no_better_than_random(clean.returns, floor.returns, where=_where(clean))
    curves: dict[tuple[str, str | None], list[Row]] = {}
    for row in rows:
        if row.victim is None:
            continue
        curves.setdefault((row.arm, row.victim), []).append(row)
        if floor is not None:
            yield floor_not_reached(row.lam, row.returns, floor.returns, where=_where(row))
        own = at.get((row.arm, row.lam, "own"))
        if row.arm == "defended" and row.victim != "own" and own is not None:
            damage = (np.negative(own.returns), np.negative(row.returns))
            yield transfer_stronger(*damage, where=_where(row), unit="return")
    for curve in curves.values():
        where = f"{_player(curve[0])}{_gradient(curve[0].victim)}"
        yield return_rises([(row.lam, row.returns) for row in curve], where=where)


def _where(row: Row) -> str:
    return f"{_player(row)} at {row.level}{_gradient(row.victim)}"


def _player(row: Row) -> str:
    return "noise control" if row.arm == "noise-control" else row.defense or row.arm


def _gradient(victim: str | None) -> str:
    return "" if victim is None else f", {gradient_words(victim)}"
