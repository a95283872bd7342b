"""Frames that an audit records, and what players do on them without an attack."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch

from sap_rl.agents import Agent
from sap_rl.attacks.gradients import passes
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import PAPER
from sap_rl.pixels import to_unit
from sap_rl.play.arms import Arm, ArmName
from sap_rl.play.frames import record, recording_games
from sap_rl.play.noise_control import matching_sigma
from sap_rl.play.players import Players
from sap_rl.seeds import numpy_stream, stream_seed
from sap_rl.types import PixelArray

RECORDING_LAMBDA = 1.0
"""The lambda of the attacked play from which half of the frames come."""
BATCH = 64
"""Frames shown at once."""
DRAWS = 8
"""Fresh passes of a random player on which the outcome is judged; none is the attacker's."""


def record_play(
    players: Players, settings: AuditSettings, names: Sequence[ArmName], *, count: int
) -> PixelArray:
    """`count` clean stacks, in equal parts from every player's clean play and from its play under
    the paper's attack by the original's gradient, mixed; each part from games of its own."""
    players = players.under(PAPER.attack, {}, grad_samples=1)
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


def action_values(agent: Agent, pixels: torch.Tensor, draws: int) -> np.ndarray:
    """`draws` passes of an agent over frames [N, K, H, W] -> [draws, N, A]."""
    found = []
    with torch.no_grad():
        for start in range(0, len(pixels), BATCH):
            obs = to_unit(pixels[start : start + BATCH].to(agent.device))
            folded = torch.cat(list(passes(agent.q_function, obs, draws)))
            found.append(folded.view(draws, len(obs), -1).float().cpu().numpy())
    return np.concatenate(found, axis=1)


@dataclass(frozen=True)
class CleanFrames:
    """Recorded frames uint8 [N, K, H, W] and what is known of them without an attack.

    label [N]: the action of the player's mean values; clean [draws, N, A]: its values on other
    draws, for by those that chose the label its margin would seem too large; worth [N, A]: the
    original's.
    """

    player: ArmName
    pixels: PixelArray
    label: np.ndarray
    clean: np.ndarray
    worth: np.ndarray


def clean_frames(players: Players, player: ArmName, pixels: PixelArray) -> CleanFrames:
    """Show recorded frames to the player and to the original."""
    shown, draws = torch.from_numpy(pixels), DRAWS if players.random(player) else 1
    own, worth = players.agent(player), action_values(players.original, shown, 1)
    first, clean = (
        action_values(own.reseeded(draw_seed(players, purpose, player)), shown, draws)
        for purpose in ("label", "clean")
    )
    return CleanFrames(player, pixels, first.mean(0).argmax(1), clean, worth.mean(0))


def noise_sigma(players: Players, pixels: PixelArray) -> float:
    """The noise on action values that flips as often on recorded frames as the defended player."""
    shown = torch.from_numpy(pixels)
    twin = players.agent("defended").reseeded(stream_seed(players.seed, "meter"))
    first, second = action_values(twin, shown, 2).argmax(2)
    values = action_values(players.plain, shown, 1).mean(0)
    rate = float((first != second).mean())
    return matching_sigma(values, rate, rng=numpy_stream(players.seed, "match"))


def draw_seed(players: Players, purpose: str, player: str) -> int:
    """The seed of a player's draws on recorded frames for one purpose."""
    return stream_seed(players.seed, "audit", purpose, player)
