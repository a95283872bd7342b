"""Evaluations of several games put together: who keeps how much, before and behind a defence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sap_rl.atari.games import game_facts
from sap_rl.compare.played import attack_name, defense_name
from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.evaluation.rules import rules_apart, rules_of
from sap_rl.play.defended_name import ANOTHER, defended_name
from sap_rl.seeds import numpy_stream
from sap_rl.statistics.aggregates import (
    Aggregate,
    Scores,
    aggregate,
    aggregate_improvement,
    profile,
)
from sap_rl.statistics.intervals import Array

THRESHOLDS = (0.1, 0.5, 1.0)
"""Normalised returns at which a profile is read: of the way from random play to a human's."""
ENOUGH_FOR_QUARTERS = 4
"""Networks of all games together from which on the interquartile mean leaves any out."""

Player = Literal["original", "defended"]


@dataclass(frozen=True)
class Standing:
    """One player over all games, in normalised returns.

    quarters: the interquartile mean, None where it would be the mean; above: the shares of the
    units above THRESHOLDS.
    """

    mean: Aggregate
    quarters: Aggregate | None
    above: tuple[float, ...]


@dataclass(frozen=True)
class Across:
    """Several games under one attack at one lambda, 0 for clean play.

    defense: empty where nobody was defended; apart: rules that tell it from another group of this
    name; networks: game -> names of the original's networks; better: chance that the defended
    player's unit lies above the original's; looked: a stopping rule decided about the episodes;
    weak: games in which a defended network was not attacked on its own gradient, so that no claim
    can be made.
    """

    attack: str
    defense: str
    apart: str
    lam: float
    networks: dict[str, tuple[str, ...]]
    original: Standing
    defended: Standing | None
    better: Aggregate | None
    looked: bool
    weak: tuple[str, ...]

    @property
    def games(self) -> tuple[str, ...]:
        """The games' names."""
        return tuple(self.networks)


def summarise_games(evaluations: Iterable[Evaluation]) -> list[Across]:
    """What two games or more say together, per attack, defence and lambda; empty for one game.

    Only evaluations played under the same rules are put together, and of games whose random and
    human returns are published. An original that is in a group with a defence has none of its own.
    """
    groups = _groups(evaluations)
    found = []
    for (attack, defense, rules), group in groups.items():
        defended = any((a, r) == (attack, rules) and d for a, d, r in groups)
        if not defense and defended:
            continue
        alike = [r for a, d, r in groups if (a, d) == (attack, defense)]
        for lam in sorted({row.lam for evaluation in group for row in evaluation.rows}):
            sides = _sides(group, lam, bool(defense))
            if len(sides[0]) > 1:
                name = (attack, defense, rules_apart(rules, alike))
                found.append(_across(name, lam, sides, group))
    return found


def scores_of(evaluations: Iterable[Evaluation], arm: Player, lam: float) -> Scores:
    """The normalised returns of complete arms, by game and trained network.

    The original under its own gradient, the defended player under the stronger of the attacks
    played on it. One network's episodes of several seeds are put together; of one seed the row with
    the most episodes counts, of equally many the lowest mean: attacks may have been played in
    evaluations of their own. Games without published random and human returns are left out.
    """
    found: dict[str, dict[str, dict[int, Row]]] = {}
    for evaluation in evaluations:
        row = _row(evaluation, arm, lam)
        if row is None or not row.complete or not _published(row.game):
            continue
        game, seed = evaluation.settings.game, evaluation.settings.seed
        seeds = found.setdefault(game, {}).setdefault(_network(evaluation, arm), {})
        before = seeds.get(seed)
        if before is None or _rank(row) > _rank(before):
            seeds[seed] = row
    return {
        game: [
            np.concatenate([_normalised(row) for row in seeds.values()]) for seeds in nets.values()
        ]
        for game, nets in sorted(found.items())
    }


def _rank(row: Row) -> tuple[int, float]:
    assert row.mean is not None
    return row.episodes, -row.mean


def _weak(evaluations: Sequence[Evaluation], lam: float) -> tuple[str, ...]:
    """Games in which some network and seed was attacked, but never on its own gradient."""
    attacked: dict[tuple[str, str, int], set[str | None]] = {}
    for evaluation in evaluations:
        settings = evaluation.settings
        if settings.corruption is not None:
            continue
        unit = (settings.game, _network(evaluation, "defended"), settings.seed)
        rows = [row for row in evaluation.rows if (row.arm, row.lam) == ("defended", lam)]
        attacked.setdefault(unit, set()).update(row.victim for row in rows if row.complete)
    weak = {game for (game, _, _), victims in attacked.items() if victims and "own" not in victims}
    return tuple(sorted(weak)) if lam else ()


def _network(evaluation: Evaluation, arm: Player) -> str:
    """The file whose weights play: the agent's, defended or not, unless another agent plays."""
    agent, defense = evaluation.agent, evaluation.settings.defense or ""
    if arm == "original" or not defense.startswith(ANOTHER):
        return agent.sha256 or agent.name
    return agent.defended_sha256 or defense


def _row(evaluation: Evaluation, arm: Player, lam: float) -> Row | None:
    if lam == 0:
        return evaluation.row(arm)
    if arm == "original":
        return evaluation.original(lam)
    stronger = [c.victim for c in evaluation.changes if c.lam == lam and c.headline]
    return evaluation.row(arm, lam, stronger[0]) if stronger else None


def _published(game: str) -> bool:
    """Whether its random and human returns are."""
    facts = game_facts(game)
    return facts.random is not None and facts.human is not None


def _normalised(row: Row) -> Array:
    facts = game_facts(row.game)
    assert facts.random is not None
    assert facts.human is not None
    scores: Array = (np.array(row.returns) - facts.random) / (facts.human - facts.random)
    return scores


Key = tuple[str, str, str]
"""Attack, defence, and the rules as text."""


def _groups(evaluations: Iterable[Evaluation]) -> dict[Key, list[Evaluation]]:
    found: dict[Key, list[Evaluation]] = {}
    for evaluation in evaluations:
        settings = evaluation.settings
        defense = defended_name(defense_name(settings), settings.game)
        key = (attack_name(settings), defense, rules_of(evaluation))
        found.setdefault(key, []).append(evaluation)
    return dict(sorted(found.items()))


def _sides(
    group: Sequence[Evaluation], lam: float, defended: bool
) -> tuple[Scores, Scores | None]:  # fmt: skip
    """Both players' scores in the games that both have."""
    ours = scores_of(group, "original", lam)
    if not defended:
        return ours, None
    theirs = scores_of(group, "defended", lam)
    both = [game for game in ours if game in theirs]
    return {game: ours[game] for game in both}, {game: theirs[game] for game in both}


def _across(
    name: Key, lam: float, sides: tuple[Scores, Scores | None], group: Sequence[Evaluation]
) -> Across:
    original, defended = sides
    rng = numpy_stream(0, "across games", *name, str(lam))
    here = [e for e in group if e.settings.game in original]
    networks: dict[str, dict[str, str]] = {game: {} for game in original}
    for e in here:
        networks[e.settings.game].setdefault(_network(e, "original"), e.agent.name)
    return Across(
        *name,
        lam,
        {game: tuple(names.values()) for game, names in networks.items()},
        _standing(original, rng),
        None if defended is None else _standing(defended, rng),
        None if defended is None else aggregate_improvement(defended, original, rng=rng),
        any(evaluation.looked for evaluation in here),
        () if defended is None else _weak(here, lam),
    )


def _standing(scores: Scores, rng: np.random.Generator) -> Standing:
    networks = sum(len(game) for game in scores.values())
    quarters = None
    if networks >= ENOUGH_FOR_QUARTERS:
        quarters = aggregate("interquartile mean", scores, rng=rng)
    return Standing(
        aggregate("mean", scores, rng=rng), quarters, tuple(profile(scores, THRESHOLDS).tolist())
    )
