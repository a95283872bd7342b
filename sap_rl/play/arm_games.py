"""One arm of an evaluation as it is played: block by block, so that a whole block can be kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from sap_rl.atari.fleet import Fleet
from sap_rl.play.arm_stats import ArmStats, Share
from sap_rl.play.arms import Arm
from sap_rl.play.attacked_player import AttackedPlayer, RandomPlayer
from sap_rl.play.episodes import max_agent_steps
from sap_rl.play.noise_control import MATCH_EVERY, matched_sigma
from sap_rl.play.players import Players
from sap_rl.play.rollout import Episode, Step, rollout


@dataclass
class ArmGames:
    """The games of one arm.

    players: its agents, nobody else's while it plays; fleet: the emulators, of which each plays one
    game of a block; episodes: which ones of the players' seed, one after the other; calibrates:
    its play sets the noise of the noise control. arm_stats: everything so far, at the start that
    of whole blocks which were played before; sigma: the noise that is found by then.
    """

    players: Players
    arm: Arm
    fleet: Fleet
    episodes: range
    calibrates: bool = False
    arm_stats: ArmStats = field(default_factory=ArmStats)
    sigma: float | None = None

    def __post_init__(self) -> None:
        self.facts = self.players.facts(self.arm)
        # Made whichever block is played first, since a pattern is fitted once for all of them.
        random = self.arm.name == "random"
        self._opening = None
        if not random:
            self._opening = self.players.attacked_player(self.arm, fleet=self.fleet)

    @property
    def complete(self) -> bool:
        """Whether every episode has ended."""
        return len(self.arm_stats.episodes) == len(self.episodes)

    def play(self) -> Iterator[Step | Episode]:
        """Every Step, then the Episodes that it ended; `arm_stats` holds them already."""
        for block in self.blocks():
            yield from block

    def blocks(self) -> Iterator[Iterator[Step | Episode]]:
        """The events of each block that is left, to be heard to their end one block at a time.

        A block has a game per emulator and random streams of its own, so that it is the same
        whether the blocks before it were played just now or kept.
        """
        size = self.fleet.num_envs
        left = self.episodes[len(self.arm_stats.episodes) :]
        for at in range(0, len(left), size):
            yield self._block(left[at : at + size])

    def _block(self, block: range) -> Iterator[Step | Episode]:
        protocol, preprocess = self.players.protocol, self.players.original.preprocess
        stats, started = self.arm_stats, time.perf_counter()
        seconds, batches, looked = stats.seconds, stats.batches, replace(stats.self_flipped)
        watched: list[np.ndarray] = []
        games = rollout(
            self.fleet,
            self._player(block.start),
            episodes=block,
            seed=self.players.seed,
            epsilon=self.facts.epsilon,
            max_steps=max_agent_steps(protocol.max_frames, preprocess.frameskip),
        )
        for event in games:
            stats.add(event)
            stats.seconds = seconds + time.perf_counter() - started
            looks = self.calibrates and (stats.batches - batches) % MATCH_EVERY == 1
            if looks and isinstance(event, Step):
                watched.append(self.players.plain.q_values(event.pixels).cpu().numpy())
            yield event
        if self.calibrates:
            self._calibrate(np.concatenate(watched), looked)

    def _calibrate(self, values: np.ndarray, before: Share) -> None:
        """Set the noise that flips as often as this block's player did; of several blocks the mean,
        each by how often its player was looked at."""
        looked = self.arm_stats.self_flipped
        count = looked.count - before.count
        rate = (looked.total - before.total) / count if count else 0.0
        sigma = matched_sigma(self.players, values, rate)
        if self.sigma is not None:
            sigma = (self.sigma * before.count + sigma * count) / looked.count
        self.sigma = sigma

    def _player(self, first: int) -> AttackedPlayer | RandomPlayer:
        if self._opening is None:
            return RandomPlayer()
        if not first:
            return self._opening
        adversary = self._opening.adversary
        attack = None if adversary is None else adversary.attack
        return self.players.for_block(first).attacked_player(self.arm, attack, self.fleet)
