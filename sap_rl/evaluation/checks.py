"""Can this number be trusted? One function per symptom; each gives a finding or None. Above them:
which apply to an evaluation's rows.

Most symptoms of a gradient that misleads are those of Athalye et al. 2018 (arXiv 1802.00420,
section 3.1) and Carlini et al. 2019 (arXiv 1902.06705). Damage is what an attack does, larger for
stronger ones: per frame (margin lost) or per episode (minus the return). Two attacks are compared
on the same frames or episodes, in pairs; "clearly" is one-sided, at 99%, by the paired mean
difference over its standard error. Those that an audit alone looks for are in `sap_rl/audit/`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from sap_rl.attacks.names import may_abstain
from sap_rl.evaluation.comparison import (
    Damage,
    Finding,
    Unit,
    clearly_above,
    mean_of,
    round_up,
    shown,
)
from sap_rl.evaluation.results import Change, Row
from sap_rl.evaluation.settings import Settings
from sap_rl.play.arms import gradient_words

IDLE_SHARE = 0.05
"""Movable pixels without a gradient; on networks that do not hide it the share is 0."""
LOST_SHARE = 0.05
ENOUGH = 10
"""Episodes below which an agent that plays like chance may well be better."""


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
    if row.idle is not None and row.backward_passes and not may_abstain(row.attack or ""):
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


def zero_gradients(idle: float, *, where: str) -> Finding | None:
    """The gradient is 0 for many pixels; idle: share of the movable pixels that it left alone."""
    if idle <= IDLE_SHARE:
        return None
    return Finding(
        "zero_gradients",
        where,
        f"{idle:.0%} of the movable pixels had no gradient at all",
        "use the margin objective, a higher temperature or the identity backward, and attack "
        "without gradients (square)",
    )


def transfer_stronger(
    white_box: Damage, transfer: Damage, *, where: str, unit: Unit = "margin lost"
) -> Finding | None:
    """Another network's gradient does more than the player's own."""
    if not clearly_above(transfer, white_box):
        return None
    return Finding(
        "transfer_stronger",
        where,
        f"{unit}: own gradient {shown(white_box, unit)}, another network's {shown(transfer, unit)}",
        "the own gradient is masked: believe the transfer attack, and try more gradient samples "
        "and the identity backward",
    )


def return_rises(
    returns: Sequence[tuple[float, Damage]], *, where: str
) -> Finding | None:  # fmt: skip
    """A larger budget leaves clearly more reward; returns: (lambda, returns [E]) of one attack."""
    ordered = sorted(returns, key=lambda pair: pair[0])
    for i, (low, before) in enumerate(ordered):
        for high, after in ordered[i + 1 :]:
            if clearly_above(after, before):
                return Finding(
                    "return_rises",
                    where,
                    f"the return is {mean_of(before)} at lambda {low:g} and {mean_of(after)} at "
                    f"{high:g}",
                    "a larger budget contains the smaller one: the attack fails at the larger; "
                    "use an iterative one with restarts",
                )
    return None


def floor_not_reached(
    lam: float, returns: Damage, floor: Damage, *, where: str
) -> Finding | None:  # fmt: skip
    """The return stays above the random policy's at a lambda that may paint any frame."""
    if lam < 255 or not clearly_above(returns, floor):
        return None
    return Finding(
        "floor_not_reached",
        where,
        f"the return is {mean_of(returns)} at lambda {lam:g}, the random policy's {mean_of(floor)}",
        "an attacker who may paint any frame must win: the attack is broken, the defence unproven",
    )


def no_better_than_random(
    returns: Damage, floor: Damage, *, where: str
) -> Finding | None:  # fmt: skip
    """The undefended agent, not attacked, is not clearly above random play."""
    if len(returns) < ENOUGH or clearly_above(returns, floor):
        return None
    return Finding(
        "no_better_than_random",
        where,
        f"the return is {mean_of(returns)} without any attack, the random policy's "
        f"{mean_of(floor)}",
        "likely its frames or actions are not those it was trained on: their scale, their order, "
        "the action set, sticky actions, or another game (sap-rl agents check tries them)",
    )


def budget_lost(lam: float, linf_mean: float, *, where: str) -> Finding | None:
    """Rounding to uint8 took part of the budget; linf_mean: distance in pixels that arrived."""
    if lam <= 0 or 1 - linf_mean / lam <= LOST_SHARE:
        return None
    return Finding(
        "budget_lost",
        where,
        f"of lambda {lam:g}, {linf_mean:.3g} pixels arrive after rounding to uint8",
        "use whole lambdas, or --observation float",
    )


def too_few_episodes(difference: Damage, *, where: str) -> Finding | None:
    """The interval contains 0; difference [E]: what is claimed in points of return, in pairs."""
    values = np.asarray(difference, dtype=np.float64)
    mean = float(values.mean()) if len(values) else 0.0
    if len(values) < 2 or mean == 0.0:
        return None
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    if abs(mean) > 1.96 * error:
        return None
    needed = math.ceil(len(values) * (1.96 * error / mean) ** 2)
    return Finding(
        "too_few_episodes",
        where,
        f"a difference of {mean:+.1f} points in {len(values)} episodes may be chance",
        f"if it is real, about {round_up(needed)} episodes would show it (--episodes)",
    )


def no_variance(returns: Damage, *, where: str) -> Finding | None:
    """All episodes end alike: the starts or the noise are missing."""
    values = np.asarray(returns, dtype=np.float64)
    if len(values) < 2 or values.std() > 0:
        return None
    return Finding(
        "no_variance",
        where,
        f"all {len(values)} returns are {values[0]:g}",
        "one episode repeated is no sample: check epsilon and the no-op starts; at the floor it "
        "only means that nothing is left",
    )
