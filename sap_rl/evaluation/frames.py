"""Recorded observations: what an audit measures on and a universal pattern is fitted on."""

from __future__ import annotations

import numpy as np

from sap_rl.atari.env import make_atari
from sap_rl.evaluation.arms import Arm, Cast, Contestant
from sap_rl.evaluation.episodes import max_agent_steps
from sap_rl.evaluation.rollout import Step, rollout
from sap_rl.types import PixelArray

FRAMES_SEED = 5_000_000
"""Added to the seed of games that are only recorded, so that no result is read on them."""

EVERY = 40
"""Steps between recorded ones: neighbours would be nearly the same frame."""

GAMES = 16
FITTING = 256


def record(
    player: Contestant, cast: Cast, game: str, *, count: int, seed: int, every: int = EVERY
) -> PixelArray:
    """`count` clean stacks uint8 [count, K, H, W] that the player saw, attacked or not.

    The first GAMES games of `seed` side by side, one step in `every` of each, and further games
    where these end too early; the same player and seed give the same frames.
    """
    protocol, preprocess = cast.protocol, cast.original.preprocess
    envs = make_atari(game, GAMES, protocol=protocol, preprocess=preprocess)
    games = rollout(
        envs,
        player,
        episodes=max(count, GAMES) * every,  # more than can be needed
        seed=seed + FRAMES_SEED,
        epsilon=protocol.epsilon,
        max_steps=max_agent_steps(protocol.max_frames, preprocess.frameskip),
    )
    kept: list[PixelArray] = []
    step = found = 0
    try:
        for event in games:
            if not isinstance(event, Step):
                continue
            step += 1
            if step % every == 0:
                kept.append(event.pixels.copy())
                found += len(event.pixels)
            if found >= count:
                break
    finally:
        games.close()  # type: ignore[attr-defined]
        envs.close()
    return np.concatenate(kept)[:count]


def fitting_frames(cast: Cast, game: str, count: int = FITTING) -> PixelArray:
    """Frames of the original's clean play on games that no result is read on."""
    player = cast.contestant(Arm("original"))
    return record(player, cast, game, count=count, seed=cast.seed)
