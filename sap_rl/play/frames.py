"""Recorded observations: what an audit measures on and some attacks are fitted on."""

from __future__ import annotations

import itertools
from contextlib import closing
from typing import Any

import numpy as np

from sap_rl.atari.env import make_atari
from sap_rl.attacks import ATTACKS
from sap_rl.play import RECORD_EVERY
from sap_rl.play.arms import Arm
from sap_rl.play.attacked_player import AttackedPlayer
from sap_rl.play.episodes import max_agent_steps
from sap_rl.play.players import Players
from sap_rl.play.rollout import Step, rollout
from sap_rl.types import PixelArray

FRAMES_SEED = 5_000_000
"""Added to the seed of games that are only recorded, so that no result is read on them."""

GAMES = 16
FITTING = 256


def recording_games(players: Players, game: str, count: int) -> Any:
    """Emulators for `record`, as many as games are recorded at once; to be closed afterwards."""
    preprocess = players.original.preprocess
    return make_atari(game, min(GAMES, count), protocol=players.protocol, preprocess=preprocess)


def record(
    player: AttackedPlayer,
    players: Players,
    envs: Any,
    *,
    count: int,
    seed: int,
    every: int = RECORD_EVERY,
) -> PixelArray:
    """`count` clean stacks uint8 [count, K, H, W] that the player saw, attacked or not.

    envs: as `recording_games` gives them. The first games of `seed` side by side, one step in
    `every` of each, and further games where these end too early; the same player, seed and number
    of emulators give the same frames.
    """
    protocol, preprocess = players.protocol, players.original.preprocess
    games = rollout(
        envs,
        player,
        episodes=itertools.count(),  # as many as it takes
        seed=seed + FRAMES_SEED,
        epsilon=protocol.epsilon,
        max_steps=max_agent_steps(protocol.max_frames, preprocess.frameskip),
    )
    kept: list[PixelArray] = []
    steps = found = 0
    with closing(games):  # type: ignore[type-var]
        for event in games:
            if isinstance(event, Step):
                steps += 1
                if steps % every == 0:
                    kept.append(event.pixels.copy())
                    found += len(event.pixels)
            if found >= count:
                break
    return np.concatenate(kept)[:count]


def fitting_frames(players: Players, game: str, count: int) -> PixelArray:
    """Frames of the original's clean play on games that no result is read on."""
    with closing(recording_games(players, game, count)) as envs:
        return record(
            players.attacked_player(Arm("original")), players, envs, count=count, seed=players.seed
        )


def record_for_attack(players: Players, game: str) -> None:
    """Record `fitting_frames` where the players' attack needs them and has none."""
    if ATTACKS[players.attack].needs_frames and players.recorded is None:
        players.recorded = fitting_frames(players, game, FITTING)
