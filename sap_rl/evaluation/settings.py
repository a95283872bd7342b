"""What an evaluation is asked to do, checked before anything is played."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from sap_rl.atari.protocol import Protocol
from sap_rl.attacks import make_attack
from sap_rl.attacks.names import DEFAULT_ATTACK
from sap_rl.attacks.schedule import EVERY, Schedule
from sap_rl.attacks.threat import Threat
from sap_rl.defenses.names import BACKWARDS, Backward
from sap_rl.errors import UsageError, require_positive, unknown
from sap_rl.networks.precision import PRECISIONS
from sap_rl.plain import Option
from sap_rl.play.arms import Victim
from sap_rl.play.defended_player import parse_defended_player
from sap_rl.statistics.sequential import LEVEL

MAX_ENVS = 32
"""Environments by default: from there on a larger batch hardly costs less per frame."""


@dataclass(frozen=True)
class Settings:
    """One evaluation.

    game: canonical name; lams: budgets in pixel units, 0 is always among the arms; attack and
    attack_options: see `ATTACKS` (grad_samples belongs to the protocol); defense: a spelling such
    as sap-100, or `agent:NAME` for another agent in the original's place, None for the original
    alone; defense_options: see `DEFENSES`; victims: whose gradient is used against the defended
    agent; attack_backward: the defence's backward mode in the attacker's copy alone; schedule: on
    which steps it strikes; controls: play `random` and `matched` too;
    precision: in which networks compute, float32 or bfloat16; look_level: at which intervals are
    taken, above 0.95 where results were looked at repeatedly, so that they hold at 95% even so.
    """

    game: str
    lams: tuple[float, ...]
    attack: str = DEFAULT_ATTACK
    attack_options: dict[str, Option] = field(default_factory=dict)
    defense: str | None = None
    defense_options: dict[str, Option] = field(default_factory=dict)
    victims: tuple[Victim, ...] = ("self", "original")
    attack_backward: Backward | None = None
    schedule: Schedule = EVERY
    episodes: int = 30
    num_envs: int | None = None
    seed: int = 0
    controls: bool = True
    precision: str = "float32"
    protocol: Protocol = field(default_factory=Protocol)
    look_level: float = LEVEL

    def __post_init__(self) -> None:
        require_positive("episodes", self.episodes)
        if self.num_envs is not None:
            require_positive("num_envs", self.num_envs)
        if not self.lams:
            raise UsageError("at least one lambda is needed, got none")
        for lam in self.lams:
            Threat(lam, self.protocol.frames, self.protocol.observation)
        if len(set(self.lams)) < len(self.lams):
            raise UsageError(f"a lambda is given twice: {', '.join(f'{v:g}' for v in self.lams)}")
        if not self.victims or len(set(self.victims)) < len(self.victims):
            raise UsageError(f"victims must be different and at least one, got {self.victims}")
        for victim in self.victims:
            if victim not in get_args(Victim):
                raise unknown("victim", victim, get_args(Victim))
        if "grad_samples" in self.attack_options:
            raise UsageError("grad_samples belongs to the protocol, not to attack_options")
        make_attack(self.attack, **self.attack_options)
        if self.attack_backward is not None and self.attack_backward not in BACKWARDS:
            raise unknown("backward mode", self.attack_backward, BACKWARDS)
        if self.defense is not None:
            parse_defended_player(self.defense)
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)

    @property
    def parallel(self) -> int:
        """How many environments are played at once."""
        return min(self.episodes, self.num_envs or MAX_ENVS)
