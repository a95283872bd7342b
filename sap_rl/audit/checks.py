"""Which checks apply to an audit's frames and games."""

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
from sap_rl.evaluation import checks
from sap_rl.evaluation.comparison import Finding
from sap_rl.evaluation.findings import row_findings

UNBOUNDED = 255.0
"""The lambda at which one strong attack per player must reach the floor."""

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
            yield checks.unbounded_survived(best.kept, where=where)
        return
    paper, own, noise = at(PAPER), at(BEST_OWN), at(NOISE)
    if paper is not None:
        yield checks.zero_gradients(paper.idle, where=f"{where}, {paper.title}")
        if noise is not None:
            yield checks.noise_as_strong(
                paper.margin_lost, noise.margin_lost, where=f"{where}, {paper.title}"
            )
        again = np.array(paper.again)
        yield checks.success_not_repeated(
            np.array(paper.first), again, where=f"{where}, {paper.title}"
        )
    yield from _pairs(at, kind, where)
    square = at(SQUARE)
    if own is not None and square is not None:
        strongest = max((own, paper or own), key=lambda result: result.mean_margin_lost)
        yield checks.black_box_stronger(strongest.margin_lost, square.margin_lost, where=where)


def _pairs(at: Any, kind: Kind, where: str) -> Iterator[Finding | None]:
    """Attacks of which one ought to be the stronger."""
    one, many = at(ONE_STEP_OWN), at(ITERATIVE_OWN)
    if one is not None and many is not None:
        yield checks.one_step_stronger(one.margin_lost, many.margin_lost, where=where)
    if not kind.undefended:
        for own, transfer in ((at(PAPER), at(TRANSFER)), (at(BEST_OWN), at(TRANSFER_MARGIN))):
            if own is not None and transfer is not None:
                yield checks.transfer_stronger(
                    own.margin_lost,
                    transfer.margin_lost,
                    where=f"{where}, {own.title} and {transfer.title}",
                )
    if kind.random:
        for few, more in ((FEW_PASSES, MANY_PASSES), (BEST_OWN, MORE_STEPS_PASSES)):
            low, high = at(few), at(more)
            if low is not None and high is not None:
                yield checks.more_samples_matter(
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
        found.append(checks.return_rises(curve, where=f"{player}, {title}"))
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
        yield checks.noise_as_strong(
            np.negative(own), np.negative(noise), where=where, unit="return"
        )
    if own is not None and transfer is not None and not kind.undefended:
        yield checks.transfer_stronger(
            np.negative(own), np.negative(transfer), where=where, unit="return"
        )
    if own is not None and original is not None and player == "defended":
        yield checks.too_few_episodes(
            np.subtract(own, original), where=f"{where}, against the original, the paper's FGSM"
        )


ORIGINAL = Kind(random=False, backwards=(), undefended=True)
"""The kind of an undefended player."""
