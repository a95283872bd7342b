"""Attack against defence as a game: payoffs, mixtures, and what the value means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from sap_rl.evaluation.contest import Contest
from sap_rl.evaluation.statistics import Array
from sap_rl.reporting.flags import LOOKED, ONE_NETWORK
from sap_rl.reporting.tables import interval_text, number_text, percent_text, plain_table

COLUMNS = 5
"""Attacks side by side in one table: more would not fit 80 columns."""


def contests_report(contests: Sequence[Contest]) -> RenderableType:
    """Every game and lambda, then once what holds for all."""
    parts: list[RenderableType] = []
    for contest in contests:
        parts += [*_contest(contest), Text("")]
    return Group(*parts, *(Text(line) for line in _notes(contests)))


def _contest(contest: Contest) -> Iterator[RenderableType]:
    played = contest.payoffs
    yield Text(
        f"{played.game} at lambda {played.lam:g}: {len(played.defenses)} defence(s) against "
        f"{len(played.attacks)} attack(s), mean return of {played.episodes} episodes\n"
    )
    for first in range(0, len(played.attacks), COLUMNS):
        yield _matrix(contest, first)
    for number, attack in enumerate(played.attacks):
        kind, _, victim = attack.rpartition("/")
        whose = {"self": "the player's own", "original": "the undefended network's"}
        yield Text(f"{_letter(number)}: {kind} on {whose.get(victim, victim)} gradient")
    yield from (Text(line) for line in _findings(contest))


def _matrix(contest: Contest, first: int) -> RenderableType:
    played, game = contest.payoffs, contest.solution
    numbers = range(first, min(first + COLUMNS, len(played.attacks)))
    table = plain_table(
        "defence", *(_letter(n) for n in numbers), "worst", "loses", "mixture", left=("defence",)
    )
    for row, name in enumerate(played.defenses):
        table.add_row(
            name,
            *(number_text(played.means[row, n]) for n in numbers),
            number_text(game.secured[row]),
            number_text(game.row_exploitability[row]),
            percent_text(game.rows[row]),
        )
    for label, values in (
        ("best", game.conceded), ("gives away", game.column_exploitability),
    ):  # fmt: skip
        table.add_row(label, *(number_text(values[n]) for n in numbers))
    table.add_row("mixture", *(percent_text(game.columns[n]) for n in numbers))
    return table


def _letter(number: int) -> str:
    return f"a{number + 1}"


def _findings(contest: Contest) -> Iterator[str]:
    played, game = contest.payoffs, contest.solution
    attacks = [_letter(n) for n in range(len(played.attacks))]
    best = int(game.secured.argmax())
    worst = int(game.conceded.argmin())
    yield (
        f"Value {number_text(game.value)}, 95% interval {interval_text(contest.low, contest.high)}."
    )
    yield f"Best mixture of defences: {_mixture(game.rows, played.defenses)}."
    yield f"Best mixture of attacks: {_mixture(game.columns, attacks)}."
    yield (
        f"Best alone: defence {played.defenses[best]} secures {number_text(game.secured[best])}, "
        f"attack {attacks[worst]} concedes {number_text(game.conceded[worst])}."
    )
    yield (
        "An attacker who sees which defence was drawn leaves the mixture "
        f"{number_text(contest.informed)}; against such an attacker nothing beats the best defence "
        "alone."
    )
    if contest.held_out is not None:
        held = contest.held_out
        yield (
            "Chosen on half of the episodes and judged on the other, the mixture of defences "
            f"secures {number_text(held.secured)}, the best defence alone "
            f"{number_text(held.pure)}; the mixture of attacks concedes "
            f"{number_text(held.conceded)}."
        )
    if played.missing:
        entries = ", ".join(f"{defense} against {attack}" for defense, attack in played.missing)
        yield f"MISSING, not guessed: {entries}."
        yield (
            f"Left out for that: {', '.join(played.left_out)}. An attack left out could only lower "
            "the value, a defence left out only raise it."
        )


def _mixture(shares: Array, names: Sequence[str]) -> str:
    parts = [
        f"{percent_text(float(share))} {name}"
        for share, name in sorted(zip(shares, names, strict=True), key=lambda pair: -pair[0])
        if share >= 0.005
    ]
    return ", ".join(parts)


def _notes(contests: Sequence[Contest]) -> Iterator[str]:
    yield (
        "worst: a defence's least return over the attacks; loses: the value minus that; best, "
        "gives away: the same of an attack. Mixtures draw once per episode."
    )
    yield (
        "The value is of a game in which neither side sees the other's draw. An attack on the "
        "player's own gradient knows the network that was drawn, so its entries already grant the "
        "attacker that much; what it does not grant is to choose its attack after the draw."
    )
    yield (
        "A best reply to noisy means flatters whoever replies: the interval takes the worst bound "
        "over all replies to either mixture, and the halves show what is left of the choice."
    )
    yield "Only attacks that were played are in the game: stronger ones would lower the value."
    yield ONE_NETWORK
    if any(contest.payoffs.looked for contest in contests):
        yield LOOKED
