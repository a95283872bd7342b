"""An audit's report card in 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from sap_rl.audit.card import AuditCard
from sap_rl.audit.checks import UNBOUNDED
from sap_rl.audit.frames import FrameResult
from sap_rl.audit.suite import DEEP, SUITE, Entry, outsiders
from sap_rl.audit.worst import GameResult, Worst, bounds
from sap_rl.reporting.tables.evaluation import (
    check_lines,
    plain_table,
)
from sap_rl.reporting.tables.flags import COVERAGE, ONE_NETWORK
from sap_rl.reporting.tables.profile import profile_table
from sap_rl.reporting.tables.text import interval_text, number_text, percent_text

MANY_LAMBDAS = 2
"""Up to so many every attack of stage 1 is shown, else the SHOWN strongest; JSON has them all."""
SHOWN = 6

SHORTER = {"cross-entropy": "ce", "worst-action": "worst"}
"""Objectives as the card's narrow columns call them."""

PLAYERS = ("original", "defended", "noise-control")


def audit_report(card: AuditCard) -> RenderableType:
    """The answer, then both stages, worst cases, what they mean and reasons for distrust."""
    parts: list[RenderableType] = [Text(line) for line in (*card.answers, "", *_head(card))]
    for lam in card.facts.settings.lams:
        if any(result.lam == lam for result in card.frames):
            parts += [Text(f"\nLambda {lam:g}, on recorded frames"), _frames(card, lam)]
    for lam in card.facts.settings.lams:
        if any(cell.lam == lam for cell in card.games):
            parts += [Text(f"\nLambda {lam:g}, returns in games"), _games(card, lam)]
    if card.worst:
        parts += [Text("\nWorst cases"), _worst(card)]
    if card.profile:
        parts += [Text("\nCorruptions"), profile_table(card.profile, card.facts.defense), Text("")]
    parts += [Text(line) for line in _notes(card)]
    parts += [Text(line) for line in check_lines(card.checks)]
    return Group(*parts)


def _head(card: AuditCard) -> Iterator[str]:
    settings, protocol = card.facts.settings, card.facts.settings.protocol
    state = "" if card.complete else "  INCOMPLETE"
    what = f"{settings.defense} on agent" if settings.defense else "agent"
    sampled = "actions sampled, " if protocol.policy == "sample" else ""
    yield (
        f"{settings.game}: audit of {what} {card.facts.agent.name}, effort {settings.budget}: "
        f"{settings.frames} recorded frames per lambda, {settings.episodes} other episodes per "
        f"cell, {protocol.frames} frames ({protocol.observation}), {sampled}seed "
        f"{settings.seed}{state}"
    )
    clean = [cell for cell in card.games if cell.lam == 0]
    if clean:
        shown = (
            f"{_player(card, cell.player)} {number_text(cell.row.mean)} "
            f"[{interval_text(cell.row.ci_low, cell.row.ci_high)}]"
            for cell in clean
        )
        yield f"Clean play: {', '.join(shown)}."


def _frames(card: AuditCard, lam: float) -> RenderableType:
    """What the attacks did to frames, the strongest on the audited player first."""
    audited = "defended" if "defended" in card.kinds else "original"
    here = {(r.player, r.title): r for r in card.frames if r.lam == lam}
    rows: list[tuple[FrameResult, FrameResult | None]] = []
    for entry in _entries(card):
        own = here.pop((audited, entry.against(card.kinds[audited]).title), None)
        if own is not None:
            title = entry.against(card.kinds["original"]).title
            rows.append((own, here.get(("original", title)) if audited != "original" else None))
    rows.sort(key=lambda pair: -pair[0].mean_value_lost)
    if len(card.facts.settings.lams) > MANY_LAMBDAS:
        rows = rows[:SHOWN]
    table = plain_table(
        "attack", "passes", "flips", "margin", "value", "orig. flips", "value", left=("attack",)
    )  # fmt: skip
    for own, original in rows:
        table.add_row(
            short_title(own.title),
            f"{own.forward:.0f}",
            percent_text(own.flip_rate),
            f"{own.mean_margin_lost:.4f}",
            f"{own.mean_value_lost:.4f}",
            "-" if original is None else percent_text(original.flip_rate),
            "-" if original is None else f"{original.mean_value_lost:.4f}",
        )
    return table


def _games(card: AuditCard, lam: float) -> RenderableType:
    players = [player for player in PLAYERS if player in card.kinds]
    table = plain_table("attack", *(_player(card, player) for player in players), left=("attack",))
    shown: set[tuple[str, str]] = set()
    audited = "defended" if "defended" in card.kinds else "original"
    for leads in (audited, "original"):
        for entry in _entries(card):
            titles = {player: entry.against(card.kinds[player]).title for player in players}
            if (leads, titles[leads]) in shown or not card.cell(leads, titles[leads], lam):
                continue
            cells = {player: card.cell(player, titles[player], lam) for player in players}
            if leads != audited:
                cells[audited] = None
            shown |= {(player, titles[player]) for player, cell in cells.items() if cell}
            table.add_row(short_title(titles[leads]), *(_cell(cells[p]) for p in players))
    return table


def _entries(card: AuditCard) -> tuple[Entry, ...]:
    """All that may have been played, in the suite's order."""
    return (*SUITE, *DEEP, *outsiders(card.facts.settings.attack))


def _cell(cell: GameResult | None) -> str:
    if cell is None:
        return "-"
    row = cell.row
    if row.ci_low is None or row.ci_high is None:
        return number_text(row.mean)
    return f"{number_text(row.mean)} {row.ci_low:.0f}..{row.ci_high:.0f}"


def _worst(card: AuditCard) -> RenderableType:
    table = plain_table("lambda", "player", "attack", "return", "95% interval", "CVaR",
                        "paper", left=("player", "attack"))  # fmt: skip
    for worst in card.worst:
        table.add_row(*_worst_row(card, worst))
    return table


def _worst_row(card: AuditCard, worst: Worst) -> tuple[str, ...]:
    return (
        f"{worst.lam:g}",
        _player(card, worst.player),
        short_title(worst.title),
        number_text(worst.mean),
        interval_text(worst.ci_low, worst.ci_high),
        number_text(worst.cvar),
        number_text(worst.paper),
    )


def _notes(card: AuditCard) -> Iterator[str]:
    yield from card.verdicts[len(card.answers) :]
    yield from _found(card)
    yield from _terms(card)
    yield "The worst of several attacks is the lowest of several noisy means: a little too low."
    yield ONE_NETWORK
    yield COVERAGE


def _found(card: AuditCard) -> Iterator[str]:
    """What was found beside the tables."""
    for player, area in card.area.items():
        if area is not None:
            yield (
                f"Area under the worst-case curve, {_player(card, player)}: {area:.1f} (mean over "
                "log lambda)."
            )
    for comparison in card.comparisons:
        yield (
            f"Worst case at lambda {comparison.lam:g}, {_player(card, comparison.first)} minus "
            f"{_player(card, comparison.second)}: {comparison.interval.mean:+.1f}"
            f"{bounds(comparison.interval)} points."
        )
    unbounded = [r for r in card.frames if r.lam == UNBOUNDED]
    for result in unbounded:
        yield (
            f"With a budget of 255 pixels {result.kept:.0%} of {_player(card, result.player)}'s "
            "actions stay as they were."
        )
    for proven in card.certified:
        share, broken = proven.certified / proven.frames, card.broken(proven)
        yield (
            f"On {proven.frames} of the recorded frames at lambda {proven.lam:g} no attack "
            f"whatever can change {share:.0%} of {_player(card, proven.player)}'s actions "
            f"(bounds), some attack of the suite changes {broken:.0%}, {1 - share - broken:.0%} "
            "are undecided."
        )


def _terms(card: AuditCard) -> Iterator[str]:
    """What the words of the tables mean."""
    audited = "defended" if "defended" in card.kinds else "original"
    actor = card.facts.settings.protocol.policy is not None
    beside = " and then of the original (orig.)" if audited == "defended" else ""
    unit, scores = ("logits", "logits") if actor else ("units of Q", "action values")
    yield (
        f"On frames, of {_player(card, audited)}{beside}. passes: forward passes of the victim per "
        "frame. flips: share of fresh draws whose action "
        f"is not the clean one. margin, value: lost per frame, in {unit}; value by the "
        f"original's clean {scores}. xN: passes per gradient. original: its gradient. CVaR: "
        "mean of the worst fifth of the episodes. paper: under FGSM as in the paper."
    )
    if "noise-control" in card.kinds:
        yield (
            "noise: the original with Gaussian noise on Q that flips as often on clean frames; it "
            "meets what the original meets, by the original's gradient."
        )


def short_title(title: str) -> str:
    """An entry's title in the card's narrow columns."""
    return " ".join(SHORTER.get(word, word) for word in title.split())


def _player(card: AuditCard, player: str) -> str:
    if player == "noise-control":
        sigma = card.facts.sigma
        return "noise" if sigma is None else f"noise {sigma:.3g}"
    if player != "defended":
        return player
    return card.facts.defense
