"""Which checks apply to an audit's frames and games, and those that an audit alone makes.

What a check is, and from where the symptoms are: `sap_rl/evaluation/checks.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sap_rl.audit.frames import FrameResult
from sap_rl.audit.suite import (
    BEST_OWN,
    FEW_PASSES,
    ITERATIVE_OWN,
    MANY_PASSES,
    MORE_STEPS_PASSES,
    NOISE,
    PAPER,
    SQUARE,
    TRANSFER,
    TRANSFER_MARGIN,
    Entry,
    Kind,
)
from sap_rl.audit.worst import GameResult
from sap_rl.evaluation.checks import (
    return_rises,
    row_findings,
    too_few_episodes,
    transfer_stronger,
    zero_gradients,
)
from sap_rl.evaluation.comparison import Damage, Finding, Unit, clearly_above, shown

UNBOUNDED = 255.0
"""The lambda at which one strong attack per player must reach the floor."""

REPEATED_SHARE = 0.9
KEPT_SHARE = 0.1
STEP_FACTOR = 0.05
"""Share of the damage below which a change by more passes does not matter, however certain."""

ONE_STEP_OWN = replace(PAPER, backward="mask")


def frame_findings(
    frames: Sequence[FrameResult], kinds: Mapping[str, Kind]
) -> Iterator[Finding]:  # fmt: skip
    """What stage 1 gives reason to distrust, by margins lost on the same frames."""
    for player, lam in dict.fromkeys((r.player, r.lam) for r in frames):
        here = {r.title: r for r in frames if (r.player, r.lam) == (player, lam)}
        where = f"{player} on frames at lambda {lam:g}"
        yield from filter(None, _of_player(here, kinds[player], lam, where))


def _of_player(
    here: Mapping[str, FrameResult], kind: Kind, lam: float, where: str
) -> Iterator[Finding | None]:
    def at(entry: Entry) -> FrameResult | None:
        return here.get(entry.against(kind).title)

    if lam == UNBOUNDED:
        best = at(BEST_OWN)
        if best is not None:
            yield unbounded_survived(best.kept, where=where)
        return
    paper, own, noise = at(PAPER), at(BEST_OWN), at(NOISE)
    if paper is not None:
        yield zero_gradients(paper.idle, where=f"{where}, {paper.title}")
        if noise is not None:
            yield noise_as_strong(
                paper.margin_lost, noise.margin_lost, where=f"{where}, {paper.title}"
            )
        again = np.array(paper.again)
        yield success_not_repeated(np.array(paper.first), again, where=f"{where}, {paper.title}")
    yield from _pairs(at, kind, where)
    square = at(SQUARE)
    if own is not None and square is not None:
        strongest = max((own, paper or own), key=lambda result: result.mean_margin_lost)
        yield black_box_stronger(strongest.margin_lost, square.margin_lost, where=where)


def _pairs(at: Any, kind: Kind, where: str) -> Iterator[Finding | None]:
    """Attacks of which one ought to be the stronger."""
    one, many = at(ONE_STEP_OWN), at(ITERATIVE_OWN)
    if one is not None and many is not None:
        yield one_step_stronger(one.margin_lost, many.margin_lost, where=where)
    if not kind.undefended:
        for own, transfer in ((at(PAPER), at(TRANSFER)), (at(BEST_OWN), at(TRANSFER_MARGIN))):
            if own is not None and transfer is not None:
                yield transfer_stronger(
                    own.margin_lost,
                    transfer.margin_lost,
                    where=f"{where}, {own.title} and {transfer.title}",
                )
    if kind.random:
        for few, more in ((FEW_PASSES, MANY_PASSES), (BEST_OWN, MORE_STEPS_PASSES)):
            low, high = at(few), at(more)
            if low is not None and high is not None:
                yield more_samples_matter(
                    low.margin_lost,
                    high.margin_lost,
                    where=f"{where}, {low.title}",
                    passes=f"{few.samples} and {more.samples}",
                )


def game_findings(
    games: Sequence[GameResult], kinds: Mapping[str, Kind], observation: str
) -> Iterator[Finding]:
    """What stage 2 gives reason to distrust, by returns of the same episodes."""
    found: list[Finding | None] = []
    for cell in games:
        where = f"{cell.player} at lambda {cell.lam:g}, {cell.title}"
        of_row = filter(None, row_findings(cell.row, observation))
        found += [replace(finding, where=where) for finding in of_row]
    by_cell = {(c.player, c.lam, c.title): c.row.returns for c in games}
    for player, title in dict.fromkeys((c.player, c.title) for c in games if c.lam):
        curve = [(c.lam, c.row.returns) for c in games if (c.player, c.title) == (player, title)]
        found.append(return_rises(curve, where=f"{player}, {title}"))
    for player, lam in dict.fromkeys((c.player, c.lam) for c in games if c.lam):
        found += _games_of(by_cell, player, kinds[player], lam)
    yield from filter(None, found)


def _games_of(
    returns: Mapping[tuple[str, float, str], Sequence[float]], player: str, kind: Kind, lam: float
) -> Iterator[Finding | None]:
    where = f"{player} in games at lambda {lam:g}"
    own = returns.get((player, lam, PAPER.against(kind).title))
    noise = returns.get((player, lam, NOISE.title))
    transfer = returns.get((player, lam, TRANSFER.against(kind).title))
    original = returns.get(("original", lam, PAPER.against(ORIGINAL).title))
    if own is not None and noise is not None:
        yield noise_as_strong(np.negative(own), np.negative(noise), where=where, unit="return")
    if own is not None and transfer is not None and not kind.undefended:
        yield transfer_stronger(np.negative(own), np.negative(transfer), where=where, unit="return")
    if own is not None and original is not None and player == "defended":
        yield too_few_episodes(
            np.subtract(own, original), where=f"{where}, against the original, the paper's FGSM"
        )


ORIGINAL = Kind(random=False, backwards=(), undefended=True)
"""The kind of an undefended player."""


def noise_as_strong(
    attack: Damage, noise: Damage, *, where: str, unit: Unit = "margin lost"
) -> Finding | None:
    """Random signs of the same budget do as much."""
    if clearly_above(attack, noise):
        return None
    return Finding(
        "noise_as_strong",
        where,
        f"{unit}: the attack {shown(attack, unit)}, random signs {shown(noise, unit)}",
        "the gradient does not help here: use a stronger attack, or a larger lambda if even the "
        "strongest does nothing",
    )


def one_step_stronger(
    one_step: Damage, iterative: Damage, *, where: str, unit: Unit = "margin lost"
) -> Finding | None:
    """One step does more than many with the same objective, victim and backward mode."""
    if not clearly_above(one_step, iterative):
        return None
    return Finding(
        "one_step_stronger",
        where,
        f"{unit}: one step {shown(one_step, unit)}, many {shown(iterative, unit)}",
        "local gradients mislead: use more gradient samples, other step sizes, restarts or the "
        "identity backward",
    )


def more_samples_matter(
    few: Damage, many: Damage, *, where: str, passes: str, unit: Unit = "margin lost"
) -> Finding | None:
    """The same attack with more passes per gradient does more: its gradient had not converged."""
    gain = float(np.mean(many)) - float(np.mean(few))
    if not clearly_above(many, few) or gain <= STEP_FACTOR * abs(float(np.mean(few))):
        return None
    return Finding(
        "more_samples_matter",
        where,
        f"{unit}: {shown(few, unit)} and {shown(many, unit)} with {passes} passes per gradient",
        "raise --grad-samples until the answer stays",
    )


def unbounded_survived(kept: float, *, where: str) -> Finding | None:
    """Actions stay although every pixel may take any value; kept: share of actions that stay."""
    if kept <= KEPT_SHARE:
        return None
    return Finding(
        "unbounded_survived",
        where,
        f"{kept:.0%} of the actions stay with a budget of 255 pixels",
        "an attacker who may paint any frame must win: the attack is broken, the defence "
        "unproven; nothing below that budget can be believed",
    )


def black_box_stronger(
    white_box: Damage, black_box: Damage, *, where: str, unit: Unit = "margin lost"
) -> Finding | None:
    """A search without gradients does more than the gradient."""
    if not clearly_above(black_box, white_box):
        return None
    return Finding(
        "black_box_stronger",
        where,
        f"{unit}: own gradient {shown(white_box, unit)}, a search without gradients "
        f"{shown(black_box, unit)}",
        "the gradient is masked: believe the search, and give it more steps",
    )


def success_not_repeated(
    first: np.ndarray, again: np.ndarray, *, where: str
) -> Finding | None:  # fmt: skip
    """Not every changed action changes again; first, again [N]: by two draws of a random player."""
    if not first.any():
        return None
    repeated = float(again[first].mean())
    if repeated >= REPEATED_SHARE:
        return None
    return Finding(
        "success_not_repeated",
        where,
        f"of the frames on which one draw changes the action, {repeated:.0%} do so again",
        "never count the best of several draws: quote means over fresh ones, as this table does",
    )
