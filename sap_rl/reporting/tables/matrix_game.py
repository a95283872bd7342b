"""Attack against defence as a game: payoffs, mixtures, and what the value means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from sap_rl.compare.matrix import MatrixGame
from sap_rl.play.arms import gradient_words
from sap_rl.reporting.tables.evaluation import plain_table
from sap_rl.reporting.tables.flags import LOOKED, ONE_NETWORK
from sap_rl.reporting.tables.text import interval_text, number_text, percent_text
from sap_rl.statistics.intervals import Array

COLUMNS = 5
"""Attacks side by side in one table: more would not fit 80 columns."""


def matrix_games_report(matrix_games: Sequence[MatrixGame]) -> RenderableType:
    """Every game and lambda, then once what holds for all."""
    parts: list[RenderableType] = []
    for matrix_game in matrix_games:
        parts += [*_matrix_game(matrix_game), Text("")]
    return Group(*parts, *(Text(line) for line in _notes(matrix_games)))


def _matrix_game(matrix_game: MatrixGame) -> Iterator[RenderableType]:
    played = matrix_game.payoffs
    yield Text(
        f"{played.game} at lambda {played.lam:g}: {len(played.defenses)} defence(s) against "
        f"{len(played.attacks)} attack(s), mean return of {played.episodes} episodes\n"
    )
    for first in range(0, len(played.attacks), COLUMNS):
        yield _matrix(matrix_game, first)
    for number, attack in enumerate(played.attacks):
        kind, _, victim = attack.rpartition("/")
        yield Text(f"{_letter(number)}: {kind} on {gradient_words(victim)}")
    yield from (Text(line) for line in _findings(matrix_game))


def _matrix(matrix_game: MatrixGame, first: int) -> RenderableType:
    played, game = matrix_game.payoffs, matrix_game.solution
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


def _findings(matrix_game: MatrixGame) -> Iterator[str]:
    played, game = matrix_game.payoffs, matrix_game.solution
    attacks = [_letter(n) for n in range(len(played.attacks))]
    best = int(game.secured.argmax())
    worst = int(game.conceded.argmin())
    interval = interval_text(matrix_game.low, matrix_game.high)
    yield f"Value {number_text(game.value)}, 95% interval {interval}."
    yield f"Best mixture of defences: {_mixture(game.rows, played.defenses)}."
    yield f"Best mixture of attacks: {_mixture(game.columns, attacks)}."
    yield (
        f"Best alone: defence {played.defenses[best]} secures {number_text(game.secured[best])}, "
        f"attack {attacks[worst]} concedes {number_text(game.conceded[worst])}."
    )
    yield (
        "An attacker who sees which defence was drawn leaves the mixture "
        f"{number_text(matrix_game.informed)}; against such an attacker nothing beats the best "
        "defence alone."
    )
    if matrix_game.held_out is not None:
        held = matrix_game.held_out
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


def _notes(matrix_games: Sequence[MatrixGame]) -> Iterator[str]:
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
    if any(matrix_game.payoffs.looked for matrix_game in matrix_games):
        yield LOOKED
