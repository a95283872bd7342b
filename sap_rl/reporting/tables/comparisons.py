"""Two stores, or a store and the paper, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from sap_rl.compare.pairs import ALPHA, ComparedCell, Comparison
from sap_rl.compare.paper import PaperCell, PaperComparison
from sap_rl.compare.played import CellName
from sap_rl.reporting.tables.evaluation import plain_table
from sap_rl.reporting.tables.flags import FLAGS, ONE_NETWORK, SEVERAL_LOOKS
from sap_rl.reporting.tables.text import number_text

SHOWN = 12
"""Cells that are listed by name; of more, the count is said."""


def comparison_report(found: Comparison) -> RenderableType:
    """Every cell on both sides, what is on one side alone, and what the verdicts rest on."""
    parts: list[RenderableType] = []
    if len({(cell.name.game, cell.name.agent or "-") for cell in found.cells}) <= 2:
        game = next((c.name for c in found.cells if c.name.agent), None)
        if game is not None:
            parts.append(Text(f"{game.game}: agent {game.agent}\n"))
    parts += [_cells(found.cells)] if found.cells else []
    parts += [Text(line) for line in _comparison_notes(found)]
    return Group(*parts)


def paper_report(found: PaperComparison) -> RenderableType:
    """Our changes beside the paper's, and how the protocols differ."""
    table = plain_table(
        "game", "lambda", "ours", "95% interval", "points", "paper", "sign", "inside",
        left=("game", "sign", "inside"),
    )  # fmt: skip
    several = len({(cell.game, cell.agent) for cell in found.cells}) > len(
        {cell.game for cell in found.cells}
    )
    for cell in found.cells:
        table.add_row(
            f"{cell.game} {cell.agent}" if several else cell.game,
            f"{cell.lam:g}",
            "-" if cell.percent is None else f"{cell.percent:+.1f}%",
            _signed_interval(cell.low, cell.high),
            f"{cell.difference:+.1f}",
            f"{cell.paper:+.1f}%",
            cell.sign,
            {True: "yes", False: "NO", None: "-"}[cell.inside],
        )
    return Group(table, *(Text(line) for line in _paper_notes(found)))


def _cells(cells: Sequence[ComparedCell]) -> RenderableType:
    games = len({(cell.name.game) for cell in cells}) > 1
    table = plain_table(
        *(["game"] if games else []),
        "lambda", "player", "attack", "A", "B", "B - A", "95% interval", "p", "",
        left=("game", "player", "attack", ""),
    )  # fmt: skip
    for cell in cells:
        name = cell.name
        verdict = "DIFFERS" if cell.differs else "equal" if cell.identical else ""
        table.add_row(
            *([name.game] if games else []),
            f"{name.lam:g}",
            name.player,
            _attack(name),
            number_text(cell.a),
            number_text(cell.b),
            f"{cell.difference:+.1f}",
            _signed_interval(cell.low, cell.high),
            f"{cell.p_holm:.2g}",
            verdict + ("" if cell.paired else " u"),
        )
    return table


def _attack(name: CellName) -> str:
    if not name.victim:
        return name.attack or "-"
    return f"{name.attack}/{name.victim.replace('original', 'orig')}"


def _comparison_notes(found: Comparison) -> Iterator[str]:
    cells = found.cells
    differing = sum(cell.differs for cell in cells)
    same = sum(cell.identical for cell in cells)
    yield (
        f"{differing} of {len(cells)} cell(s) on both sides differ beyond noise; {same} have equal "
        "returns in every episode."
    )
    if cells:
        yield (
            f"p: two-sided t test, Holm's correction over these {len(cells)} cell(s): at most "
            f"{ALPHA:.0%} chance of any false alarm. Intervals are of each cell alone."
        )
        yield _pairing(cells)
    for side, names in (("A", found.only_a), ("B", found.only_b)):
        yield from _listed(f"only in {side}", names)
    yield from _listed("too few episodes in common to compare", found.short)
    if any("no_variance" in cell.flags and not cell.identical for cell in cells):
        yield "Where nothing varies p is of a sign or permutation test, and there is no interval."
    for note in found.notes:
        yield f"also differs: {note}"
    if cells:
        yield ONE_NETWORK.replace("BCa 95%", "95%")


def _pairing(cells: Sequence[ComparedCell]) -> str:
    paired = [cell for cell in cells if cell.paired]
    counts = sorted({cell.episodes_a for cell in paired})
    text = ""
    if paired:
        span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        text = f"Paired by episode: {len(paired)} cell(s) over {span} episodes of the same starts. "
    if len(paired) < len(cells):
        text += f"Unpaired (u, Welch): {len(cells) - len(paired)} cell(s) of different seeds."
    return text.strip()


def _listed(what: str, names: Sequence[CellName]) -> Iterator[str]:
    if not names:
        return
    yield f"{what}: {len(names)} cell(s)"
    for name in names[:SHOWN]:
        yield f"  {name.text}"
    if len(names) > SHOWN:
        yield f"  and {len(names) - SHOWN} more (--json FILE has all)"


def _signed_interval(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "-"
    return f"{_signed(low)}..{_signed(high)}"


def _signed(value: float) -> str:
    return f"{value:+.0f}" if abs(value) >= 1000 else f"{value:+.1f}"


def _paper_notes(found: PaperComparison) -> Iterator[str]:
    cells = found.cells
    outside = sum(cell.inside is False for cell in cells)
    inside = sum(bool(cell.inside) for cell in cells)
    unknown = len(cells) - outside - inside
    yield (
        f"The paper's number lies inside our interval in {inside}, outside in {outside} of "
        f"{len(cells)} cell(s)" + (f"; {unknown} have no interval." if unknown else ".")
    )
    yield (
        "sign: of our change in points against the paper's; unclear where its interval contains 0."
    )
    yield from _flag_lines(cells)
    if found.missing:
        lams = ", ".join(f"{game} {lam:g}" for game, lam in found.missing)
        yield f"Printed in the paper but not among ours (game lambda): {lams}."
    if found.passed_over:
        yield (
            f"{found.passed_over} change(s) of ours follow another protocol than the paper's "
            "(another gradient, attack, defence or lambda) and are not set beside it."
        )
    yield f"Ours: {'; '.join(found.protocol)}; networks trained by this project's recipe."
    yield (
        "The paper (Dhillon et al. 2018, Table 1; Double DQN of 100M steps) does not state its "
        "attack's loss, gradient samples, tampered frames, episodes, epsilon, seeds or raw "
        "returns, and prints no interval: a difference may be any of these."
    )
    yield SEVERAL_LOOKS if found.looked else ONE_NETWORK


def _flag_lines(cells: Sequence[PaperCell]) -> Iterator[str]:
    for flag, meaning in FLAGS.items():
        where = [f"{cell.game} {cell.lam:g}" for cell in cells if flag in cell.flags]
        if where:
            yield f"{flag} ({', '.join(where)}): {meaning}."
