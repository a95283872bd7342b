"""Turns what was counted into what may be claimed: rows, changes and their flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from sap_rl.atari.games import game_facts
from sap_rl.attacks.names import DEFAULT_ATTACK
from sap_rl.attacks.schedule import EVERY
from sap_rl.defenses import parse_defense
from sap_rl.defenses.names import DEFAULT_DEFENSE
from sap_rl.evaluation.results import Change, Row
from sap_rl.evaluation.settings import Settings
from sap_rl.play.arm_stats import ArmFacts, ArmStats
from sap_rl.play.arms import Arm, ArmName, Victim
from sap_rl.play.defended_name import parse_defended_player
from sap_rl.seeds import numpy_stream
from sap_rl.statistics import LEVEL
from sap_rl.statistics.intervals import (
    Interval,
    difference_interval,
    mean_interval,
    normalised,
    reaches,
    relative_change,
)
from sap_rl.statistics.sequential import skewed_interval


def make_row(settings: Settings, arm: Arm, facts: ArmFacts, arm_stats: ArmStats) -> Row:
    """The row of an arm from what was counted; incomplete arms get no interval."""
    episodes = sorted(arm_stats.episodes, key=lambda episode: episode.index)
    returns = tuple(episode.ret for episode in episodes)
    complete = len(returns) == settings.episodes
    interval = Interval(float(np.mean(returns)), None, None) if returns else None
    if complete:
        interval = _mean_interval(settings, arm, returns)
    return Row(
        game=settings.game,
        lam=arm.lam,
        arm=arm.name,
        victim=arm.victim,
        **vars(facts),
        episodes=len(returns),
        complete=complete,
        returns=returns,
        lengths=tuple(episode.length for episode in episodes),
        truncated=sum(episode.truncated for episode in episodes),
        mean=interval.mean if interval else None,
        ci_low=interval.low if interval else None,
        ci_high=interval.high if interval else None,
        normalised=_score(settings.game, interval),
        flip_rate=arm_stats.flipped.average,
        self_flip_rate=arm_stats.self_flipped.average,
        linf_max=arm_stats.linf_max,
        linf_mean=arm_stats.linf.average,
        change_mean=arm_stats.mean.average,
        flags=interval.flags if interval else (),
        seconds=arm_stats.seconds,
        steps_per_second=arm_stats.steps / arm_stats.seconds if arm_stats.seconds else 0.0,
        struck=arm_stats.struck.average,
        idle=arm_stats.idle.average,
        forward_passes=arm_stats.forward.average,
        backward_passes=arm_stats.backward.average,
        total_variation=arm_stats.total_variation.average,
    )


def with_interval(settings: Settings, row: Row) -> Row:
    """A row of an earlier version with the interval that its returns have today."""
    if not row.complete:
        return row
    name, victim = cast(ArmName, row.arm), cast("Victim | None", row.victim)
    arm = Arm(name, row.lam, victim, row.corruption)
    interval = _mean_interval(settings, arm, row.returns)
    return replace(row, ci_low=interval.low, ci_high=interval.high, flags=interval.flags)


def _score(game: str, interval: Interval | None) -> float | None:
    """The mean between random and human play; None where one of the three is not known."""
    known = game_facts(game)
    if interval is None or known.random is None or known.human is None:
        return None
    return normalised(interval.mean, random=known.random, human=known.human)


def make_changes(settings: Settings, rows: Sequence[Row]) -> tuple[Change, ...]:
    """Defended against original, for every lambda and victim whose arms are complete."""
    done = {(row.arm, row.lam, row.victim): row for row in rows if row.complete}
    changes = []
    for lam in sorted({row.lam for row in rows}):
        against = {
            victim: row for (arm, at, victim), row in done.items() if (arm, at) == ("defended", lam)
        }
        original = done.get(("original", lam, settings.victim_of_original(lam)))
        planned = len(settings.victims) if lam and settings.corruption is None else 1
        if original is None or not against:
            continue
        lowest = min(against, key=lambda victim: against[victim].mean or 0.0)
        for victim, defended in against.items():
            headline = victim == lowest and len(against) == planned
            changes.append(_change(settings, done, original, defended, headline))
    return tuple(changes)


Done = dict[tuple[str, float, str | None], Row]


def _change(
    settings: Settings, done: Done, original: Row, defended: Row, headline: bool
) -> Change:  # fmt: skip
    lam, victim = defended.lam, defended.victim
    found = relative_change(
        original.returns,
        defended.returns,
        clean_gap=_clean_gap(settings, done),
        level=settings.look_level,
        rng=_bootstrap(settings, "change", lam, victim or "clean"),
    )
    gain = difference_interval(
        defended.returns,
        original.returns,
        rng=_bootstrap(settings, "difference", lam, victim or "clean"),
        level=settings.look_level,
    )
    facts = game_facts(settings.game)
    return Change(
        settings.game,
        lam,
        victim,
        headline,
        found.percent,
        found.low,
        found.high,
        gain.mean,
        gain.low,
        gain.high,
        found.flags + _claim_flags(settings, done, original, defended),
        facts.paper_percent.get(lam) if _as_in_paper(settings, lam, victim) else None,
        defended.corruption,
    )


def _as_in_paper(settings: Settings, lam: float, victim: str | None) -> bool:
    """Whether the paper's number belongs beside this change: its protocol, as far as published."""
    assert settings.defense is not None
    other, spelled = parse_defended_player(settings.defense)
    if other is not None or spelled is None:
        return False
    name, options = parse_defense(spelled)
    paper, strength = parse_defense(DEFAULT_DEFENSE)
    if name != paper or strength | options | settings.defense_options != strength:
        return False
    protocol = settings.protocol
    said = (protocol.frames, protocol.observation, protocol.norm)
    whole = said == ("all", "float", "linf")
    plain = settings.attack == DEFAULT_ATTACK and not settings.attack_options
    plain = plain and settings.attack_backward in (None, "mask") and settings.schedule == EVERY
    return lam == 0 or (plain and victim == "own" and whole)


def _claim_flags(
    settings: Settings, done: Done, original: Row, defended: Row
) -> tuple[str, ...]:  # fmt: skip
    """What stands in the way of "the defence helps here"."""
    flags = []
    floor = done.get(("random", 0.0, None))
    noise = done.get(("noise-control", defended.lam, defended.victim))
    if floor is not None and all(
        reaches(_interval(r), _interval(floor)) for r in (original, defended)
    ):
        flags.append("at_floor")
    if noise is not None:
        rng = _bootstrap(settings, "noise-control", defended.lam, defended.victim or "clean")
        level = settings.look_level
        gain = difference_interval(defended.returns, noise.returns, rng=rng, level=level)
        if (gain.mean if gain.low is None else gain.low) <= 0:
            flags.append("no_better_than_noise")
    # Noise that never flips is no noise: a deterministic player's control is the original itself.
    if floor is None or (noise is None and defended.self_flip_rate != 0.0):
        flags.append("no_controls")
    if defended.victim not in (None, "own") and "own" not in settings.victims:
        flags.append("weak_attack_only")
    return tuple(flags)


def _clean_gap(settings: Settings, done: Done) -> float | None:
    """Clean original return above random play: measured, else against the published random."""
    clean, floor = done.get(("original", 0.0, None)), done.get(("random", 0.0, None))
    random = floor.mean if floor is not None else game_facts(settings.game).random
    if clean is None or clean.mean is None or random is None:
        return None
    return clean.mean - random


def _mean_interval(settings: Settings, arm: Arm, returns: tuple[float, ...]) -> Interval:
    """BCa; where results are looked at repeatedly, the interval whose coverage was measured so."""
    if settings.look_level > LEVEL:
        return skewed_interval(returns, level=settings.look_level)
    rng = _bootstrap(settings, arm.stream, arm.lam)
    return mean_interval(returns, rng=rng, level=settings.look_level)


def _interval(row: Row) -> Interval:
    assert row.mean is not None
    return Interval(row.mean, row.ci_low, row.ci_high)


def _bootstrap(settings: Settings, *path: str | float) -> np.random.Generator:
    return numpy_stream(settings.seed, "bootstrap", *(str(part) for part in path))
