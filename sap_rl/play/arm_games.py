"""One arm of an evaluation as it is played: from its start, or from where it was interrupted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from sap_rl.agents import Agent
from sap_rl.atari.fleet import Fleet
from sap_rl.attacks import ATTACKS
from sap_rl.defenses.defended import backward_of, sampler_of
from sap_rl.defenses.names import NOISE_CONTROL
from sap_rl.play.arm_stats import ArmFacts, ArmStats
from sap_rl.play.arms import Arm, AttackedPlayer, Players, RandomPlayer, matching_sigma
from sap_rl.play.episodes import max_agent_steps
from sap_rl.play.rollout import Episode, Position, Step, rollout
from sap_rl.play.snapshot import can_freeze, freeze, thaw
from sap_rl.seeds import numpy_stream, stream_seed

MATCH_EVERY = 8
"""Steps of the defended agent's clean play between those whose values set the matched noise."""


@dataclass
class ArmGames:
    """The games of one arm.

    players: its agents, nobody else's while it plays; fleet: the emulators; seed, first, episodes:
    it plays the episodes first..episodes-1 of that seed; arm_stats: everything so far; watched:
    action values of the plain agent, collected where the arm calibrates the matched control.
    """

    players: Players
    arm: Arm
    facts: ArmFacts
    fleet: Fleet
    seed: int
    episodes: int
    first: int = 0
    calibrates: bool = False
    arm_stats: ArmStats = field(default_factory=ArmStats)
    watched: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.player: AttackedPlayer | RandomPlayer = self._player()
        self.position = Position(self.first)
        self._before = 0.0

    def play(self) -> Iterator[Step | Episode]:
        """Every Step, then the Episodes that it ended; `arm_stats` holds them already."""
        players = self.players
        frameskip = players.original.preprocess.frameskip
        started = time.perf_counter()
        games = rollout(
            self.fleet,
            self.player,
            episodes=self.episodes,
            seed=self.seed,
            epsilon=self.facts.epsilon,
            max_steps=max_agent_steps(players.protocol.max_frames, frameskip),
            position=self.position,
        )
        for event in games:
            self.arm_stats.add(event)
            self.arm_stats.seconds = self._before + time.perf_counter() - started
            looks = self.calibrates and (self.arm_stats.batches - 1) % MATCH_EVERY == 0
            if looks and isinstance(event, Step):
                self.watched.append(players.plain.q_values(event.pixels).cpu().numpy())
            yield event

    @property
    def can_be_kept(self) -> bool:
        """Whether a snapshot is possible; see `can_freeze`."""
        return can_freeze(self.player)

    def snapshot(self) -> bytes:
        """Where everything stands when a Step is told, but for the tally."""
        return freeze(self.player, self.position, self.watched)

    def go_on(self, snapshot: bytes, arm_stats: ArmStats) -> None:
        """Before the first event: as if this arm had been played up to the snapshot.

        arm_stats: what was counted by then, with the episodes that the snapshot's own step ended.
        """
        # A first pass is made differently from later ones; these networks have had theirs.
        self.player = self._player()
        self.position, self.watched = thaw(snapshot, self.player)
        self.arm_stats, self._before = arm_stats, arm_stats.seconds

    def sigma(self, self_flip_rate: float | None) -> float:
        """Of the noise that flips as often as the defended agent, from what was watched."""
        values = np.concatenate(self.watched)
        return matched_sigma(self.players, values, self_flip_rate or 0.0)

    def _player(self) -> AttackedPlayer | RandomPlayer:
        return (
            RandomPlayer() if self.arm.name == "random" else self.players.attacked_player(self.arm)
        )


def matched_sigma(players: Players, values: np.ndarray, rate: float) -> float:
    """`matching_sigma` for agents that average over passes, which shrinks the noise."""
    sigma = matching_sigma(values, rate, rng=numpy_stream(players.seed, "match"))
    return float(sigma * players.protocol.policy_samples**0.5)


def add_noise_control(players: Players, sigma: float) -> None:
    """Cast the `matched` control: the plain agent with that noise on its action values."""
    players.matched = players.plain.defend(f"{NOISE_CONTROL}-{sigma:.4g}", seed=players.seed)


def block_players(players: Players, seed: int, first: int) -> Players:
    """Who plays the episodes from `first` on: later blocks of an arm have draws of their own."""
    return replace(players, seed=stream_seed(seed, "block", first)) if first else players


def arm_facts(players: Players, arm: Arm) -> ArmFacts:
    """What is fixed about an arm before it is played."""
    if arm.name == "random":
        return ArmFacts(epsilon=1.0)
    agent = players.agent(arm.name)
    attacked = arm.victim is not None
    victim = players.victim(arm).module if attacked else None
    asked = victim if ATTACKS[players.attack].asks else None
    return ArmFacts(
        attack=players.attack if attacked else None,
        defense=agent.defense,
        backward=backward_of(asked) if asked is not None else None,
        grad_samples=players.grad_samples(arm) if asked is not None else None,
        policy_samples=agent.policy_samples,
        epsilon=players.protocol.epsilon,
        precision=_precision(agent),
        sampler=sampler_of(agent.module),
    )


def _precision(agent: Agent) -> str:
    """What the network's products are computed in."""
    dtypes = sorted({str(p.dtype).removeprefix("torch.") for p in agent.module.parameters()})
    tf32 = agent.device.type == "cuda" and torch.backends.cudnn.allow_tf32
    return "+".join(dtypes or ["float32"]) + (" (TF32 convolutions)" if tf32 else "")
