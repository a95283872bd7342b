"""The payoff matrix of attack against defence: which evaluations fill which entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from sap_rl.compare.played import CellName, Played, differences, played_cells
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Evaluation
from sap_rl.statistics.intervals import Array

UNDEFENDED = "none"
MAX_CHOICES = 16
"""Defences or attacks, whichever are fewer, up to which the largest complete game is searched."""

Entries = Mapping[tuple[str, str], Mapping[int, Played]]
"""(defence, attack) -> seed of the episodes -> what was played."""


@dataclass(frozen=True)
class Payoffs:
    """One game at one lambda; the defender wants large returns, the attacker small ones.

    defenses [D], attacks [A]: names; returns [D, A, E]: episode e of every entry began alike;
    left_out: defences and attacks without which the matrix is complete; missing: the entries that
    were not played, among all that were asked about; looked: a stopping rule decided about the
    episodes.
    """

    game: str
    lam: float
    defenses: tuple[str, ...]
    attacks: tuple[str, ...]
    returns: Array = field(repr=False)
    left_out: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    looked: bool = False

    @property
    def means(self) -> Array:
        """Mean returns [D, A]."""
        means: Array = self.returns.mean(axis=2)
        return means

    @property
    def episodes(self) -> int:
        """How many episodes stand behind every entry."""
        return int(self.returns.shape[2])


def payoffs(evaluations: Sequence[Evaluation]) -> tuple[Payoffs, ...]:
    """The matrix of every game and lambda above 0, from the original and the defended arms.

    An undefended player is its own victim, so its entry serves both `own` and `original`. Where
    entries are missing the largest complete matrix is taken. UsageError where entries of one matrix
    were played under different protocols, or share no episodes.
    """
    cells = played_cells(evaluations, "the store")
    tables: dict[tuple[str, float], dict[tuple[str, str], Mapping[int, Played]]] = {}
    agents: dict[str, set[str]] = {}
    for name in cells:
        agents.setdefault(name.game, set()).add(name.agent)
    for name, seeds in sorted(cells.items()):
        if name.arm in ("original", "defended") and name.lam > 0 and name.victim:
            table = tables.setdefault((name.game, name.lam), {})
            several = len(agents[name.game] - {""}) > 1
            for attack in _attacks(name, cells):
                table.setdefault((_defense(name, several), attack), seeds)
    looked = {evaluation.settings.game for evaluation in evaluations if evaluation.looked}
    return tuple(
        _matrix(game, lam, table, looked=game in looked) for (game, lam), table in tables.items()
    )


def _defense(name: CellName, several: bool) -> str:
    """The player: its defence, with its agent's name where several play the game."""
    defense = name.defense if name.arm == "defended" else UNDEFENDED
    return f"{name.agent}: {defense}" if several else defense


def _attacks(name: CellName, cells: Mapping[CellName, object]) -> Iterator[str]:
    """The columns in which a cell stands: `fgsm/own`."""
    yield f"{name.attack}/{name.victim}"
    others = {
        other.victim
        for other in cells
        if (other.game, other.lam, other.attack, other.arm)
        == (name.game, name.lam, name.attack, "defended")
    }
    if name.arm == "original" and "original" in others:
        yield f"{name.attack}/original"


def _matrix(game: str, lam: float, table: Entries, *, looked: bool) -> Payoffs:
    defenses = list(dict.fromkeys(defense for defense, _ in table))
    attacks = sorted({attack for _, attack in table})
    defenses.sort(key=lambda name: (not name.endswith(UNDEFENDED), name))
    missing = tuple((d, a) for d in defenses for a in attacks if (d, a) not in table)
    rows, columns = _complete(defenses, attacks, table) if missing else (defenses, attacks)
    left_out = (*(d for d in defenses if d not in rows), *(a for a in attacks if a not in columns))
    whole = {(d, a): table[d, a] for d in rows for a in columns}
    _check_protocols(game, lam, whole)
    episodes = _common_episodes(game, lam, whole)
    returns = np.array(
        [[_returns(whole[d, a], episodes) for a in columns] for d in rows], dtype=np.float64
    )
    return Payoffs(game, lam, tuple(rows), tuple(columns), returns, left_out, missing, looked)


def _complete(
    defenses: list[str], attacks: list[str], table: Entries
) -> tuple[list[str], list[str]]:
    """The complete part with the most entries; of equal ones that with more attacks, then the
    first defences: leaving an attack out can only flatter the defender."""
    if len(defenses) > MAX_CHOICES:
        raise UsageError(
            f"{len(defenses)} defences with missing entries: the largest complete game is searched "
            f"among {MAX_CHOICES} at most"
        )
    best: tuple[list[str], list[str]] = ([], [])
    for count in range(1, len(defenses) + 1):
        for rows in combinations(defenses, count):
            columns = [a for a in attacks if all((d, a) in table for d in rows)]
            # Few defences come first, so of equal parts the one with more attacks is found first.
            if count * len(columns) > len(best[0]) * len(best[1]):
                best = (list(rows), columns)
    return best


def _check_protocols(game: str, lam: float, entries: Entries) -> None:
    """Entries are compared with each other: their rules must be the same, but for the number of
    passes per gradient, which belongs to the attack on a random player."""
    rules = [
        (name, {k: v for k, v in cell.protocol.items() if k != "grad_samples"})
        for name, seeds in entries.items()
        for cell in seeds.values()
    ]
    for name, rule in rules[1:]:
        if apart := differences(rules[0][1], rule):
            raise UsageError(
                f"{game} at lambda {lam:g}: {' against '.join(rules[0][0])} and "
                f"{' against '.join(name)} were played under different protocols: "
                f"{'; '.join(apart)}"
            )


def _common_episodes(game: str, lam: float, entries: Entries) -> dict[int, int]:
    """Seed -> how many of its first episodes every entry has."""
    seeds = set.intersection(*(set(entry) for entry in entries.values()))
    if not seeds:
        raise UsageError(
            f"{game} at lambda {lam:g}: the entries share no seed, so no episode began alike in all"
        )
    return {
        seed: min(entry[seed].row.episodes for entry in entries.values()) for seed in sorted(seeds)
    }


def _returns(seeds: Mapping[int, Played], episodes: Mapping[int, int]) -> list[float]:
    return [r for seed, count in episodes.items() for r in seeds[seed].row.returns[:count]]
