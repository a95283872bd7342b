"""What an audit plays: games that are recorded for stage 1, and the cells of stage 2."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace

import numpy as np

from sap_rl.atari.fleet import Fleet, make_fleet
from sap_rl.audit.frames import players_for
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import PAPER, Entry
from sap_rl.defenses.defended import sampler_of
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import make_row
from sap_rl.play.arm_stats import ArmFacts, ArmStats
from sap_rl.play.arms import Arm, ArmName
from sap_rl.play.episodes import max_agent_steps
from sap_rl.play.frames import record, recording_games
from sap_rl.play.players import Players, RandomPlayer
from sap_rl.play.rollout import Player, rollout
from sap_rl.types import PixelArray

RECORDING_LAMBDA = 1.0
"""The lambda of the attacked play from which half of the frames come."""


def record_play(
    players: Players, settings: AuditSettings, names: list[ArmName], *, count: int
) -> PixelArray:
    """`count` clean stacks, in equal parts from every player's clean play and from its play under
    the paper's attack by the original's gradient, mixed; each part from games of its own."""
    players = replace(
        players, protocol=replace(players.protocol, grad_samples=1), attack=PAPER.attack, options={}
    )
    arms = [
        Arm(player, lam, "original" if lam else None)
        for player in names
        for lam in (0.0, RECORDING_LAMBDA)
    ]
    each = -(-count // len(arms))
    with closing(recording_games(players, settings.game, each)) as envs:
        parts = [
            record(
                players.attacked_player(arm),
                players,
                envs,
                count=each,
                seed=settings.seed + i,
                every=settings.every,
            )
            for i, arm in enumerate(arms)
        ]
    return np.stack(parts, axis=1).reshape(-1, *parts[0].shape[1:])[:count]


def playing_games(players: Players, settings: Settings) -> Fleet:
    """Emulators for `play_games`; to be closed afterwards."""
    protocol, preprocess = settings.protocol, players.original.preprocess
    return make_fleet(settings.game, settings.parallel, protocol=protocol, preprocess=preprocess)


def play_games(
    players: Players, settings: Settings, arm: Arm, entry: Entry | None, fleet: Fleet
) -> Row:  # fmt: skip
    """One cell: every episode of an arm under an entry of the suite, None for clean play.

    fleet: as `playing_games` gives it.
    """
    players = players if entry is None else players_for(players, entry)
    random = arm.name == "random"
    player: Player = RandomPlayer() if random else players.attacked_player(arm)
    facts = ArmFacts(
        attack=entry.attack if entry else None,
        defense=None if random else players.agent(arm.name).defense,
        backward=entry.backward if entry else None,
        grad_samples=entry.samples if entry else None,
        policy_samples=settings.protocol.policy_samples,
        epsilon=1.0 if random else settings.protocol.epsilon,
        precision=settings.precision,
        sampler=None if random else sampler_of(players.agent(arm.name).module),
    )
    protocol, preprocess = settings.protocol, players.original.preprocess
    games = rollout(
        fleet,
        player,
        episodes=range(settings.episodes),
        seed=settings.seed,
        epsilon=facts.epsilon,
        max_steps=max_agent_steps(protocol.max_frames, preprocess.frameskip),
    )
    arm_stats, started = ArmStats(), time.perf_counter()
    for event in games:
        arm_stats.add(event)
    arm_stats.seconds = time.perf_counter() - started
    return make_row(settings, arm, facts, arm_stats)
