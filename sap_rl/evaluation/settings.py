"""What an evaluation is asked to do, checked before anything is played."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

from sap_rl import networks
from sap_rl.atari.games import canonical_game
from sap_rl.atari.protocol import Protocol
from sap_rl.attacks import ATTACKS, make_attack, require_norm
from sap_rl.attacks.names import ATTACK_NAMES, DEFAULT_ATTACK, is_outside
from sap_rl.attacks.schedule import EVERY, Schedule, parse_schedule
from sap_rl.corruptions import find_corruption
from sap_rl.corruptions.names import CORRUPTION_NAMES
from sap_rl.defenses.names import Backward
from sap_rl.errors import UsageError, unknown
from sap_rl.files import exists
from sap_rl.networks.lookup import shipped_agents
from sap_rl.pixels import check_budgets
from sap_rl.plain import OptionValue
from sap_rl.play.arms import Victim, todays_name
from sap_rl.play.defended_name import ANOTHER, parse_defended_player
from sap_rl.schema import Option, check, numbers, text
from sap_rl.statistics import LEVEL

MAX_ENVS = 32
"""Environments by default: from there on a larger batch hardly costs less per frame."""


BOTH: tuple[Victim, ...] = ("own", "original")
"""The victims by default: the player's own gradient and the original's."""


def read_schedule(value: Any) -> Schedule:
    """The schedule of a spelling; UsageError for an unknown one."""
    return parse_schedule(text(value))


def read_victims(value: Any) -> tuple[str, ...]:
    """Victims with commas, `both` for two of them; another agent's name or folder stays as it is.

    UsageError for a name that is nothing of these.
    """
    parts = [todays_name(part.strip()) for part in text(value).split(",") if part.strip()]
    named = (*BOTH, "both", *shipped_agents())
    for part in parts:
        if part not in named and not exists(Path(part)):
            raise unknown("victim", part, named)
    return tuple(v for part in parts for v in (BOTH if part == "both" else (part,)))


def read_defense(value: Any) -> str:
    """A defence's spelling, in small letters but for an agent's name."""
    spelled = text(value)
    return spelled if ANOTHER in spelled else spelled.lower()


def read_game(value: Any) -> str:
    """The canonical name of a game; UsageError with the nearest."""
    return canonical_game(text(value))


Game = Annotated[
    str,
    Option("the game: BankHeist, bank_heist or ALE/BankHeist-v5", read=read_game),
]
Defence = Annotated[
    str | None,
    Option(
        "sap-100 (any sap-K) or another of `sap-rl defenses`, agent:NAME for another agent in its "
        "place, or none",
        read=read_defense,
    ),
]
Seed = Annotated[int, Option("everything random follows from it")]
Precision = Annotated[
    str, Option("in which networks compute", choices=get_args(networks.Precision))
]


@dataclass(frozen=True)
class Settings:
    """One evaluation; UsageError for what cannot be played.

    grad_samples belongs to the protocol, not to attack_options. With a corruption nobody attacks:
    lams is empty, and what belongs to attacks is not looked at.
    """

    game: Game
    lams: Annotated[
        tuple[float, ...],
        Option(
            "attack budget, one or several; 0 is always played too",
            "pixels 0..255",
            name="lambda",
            read=numbers,
        ),
    ]
    attack: Annotated[
        str,
        Option(
            "how frames are tampered with, by a callable of yours as FILE.py:NAME, or one of",
            choices=tuple(ATTACK_NAMES),
            also=is_outside,
        ),
    ] = DEFAULT_ATTACK
    attack_options: Annotated[
        dict[str, OptionValue], Option("the attack's own, see `sap-rl attacks NAME`", hidden=True)
    ] = field(default_factory=dict)
    defense: Defence = None
    defense_options: Annotated[
        dict[str, OptionValue], Option("the defence's own, see `sap-rl defenses NAME`", hidden=True)
    ] = field(default_factory=dict)
    victims: Annotated[
        tuple[Victim, ...],
        Option(
            "gradient used on the defended agent: own, original, both, or another agent's name "
            "or folder; several with commas",
            name="victim",
            read=read_victims,
            shown="both",
        ),
    ] = BOTH
    attack_backward: Annotated[
        Backward | None,
        Option(
            "the defence's backward mode in the attacker's copy alone",
            kind="backward mode",
            shown="the player's",
        ),
    ] = None
    schedule: Annotated[
        Schedule,
        Option(
            "when the attacker strikes: every, threshold-L, rate-L or random-L, L in 0..1",
            read=read_schedule,
            shown="every",
        ),
    ] = EVERY
    episodes: Annotated[int, Option("per arm", within="count")] = 30
    num_envs: Annotated[
        int | None, Option("games at once", within="count", shown=f"{MAX_ENVS} at most")
    ] = None
    seed: Seed = 0
    controls: Annotated[
        bool, Option("play random and the noise control, without which no claim is made")
    ] = True
    precision: Precision = "float32"
    protocol: Annotated[Protocol, Option("the rules of play, a `Protocol`", hidden=True)] = field(
        default_factory=Protocol
    )
    corruption: Annotated[
        str | None,
        Option(
            "what spoils the frames instead of an attack, see `sap-rl corruptions`",
            choices=tuple(CORRUPTION_NAMES),
            shown="none",
        ),
    ] = None
    severities: Annotated[
        tuple[float, ...],
        Option(
            "of the corruption, one or several, in its unit; clean frames are always played too",
            name="severity",
            read=numbers,
        ),
    ] = ()
    look_level: Annotated[
        float,
        Option(
            "at which intervals are taken, above 0.95 where results were looked at repeatedly, "
            "so that they hold at 95% even so",
            hidden=True,
        ),
    ] = LEVEL

    def __post_init__(self) -> None:
        check(self)
        self._check_levels()
        if not self.victims or len(set(self.victims)) < len(self.victims):
            raise UsageError(f"victims must be different and at least one, got {self.victims}")
        for victim in self.victims:
            if victim not in get_args(Victim):
                raise unknown("victim", victim, get_args(Victim))
        if "grad_samples" in self.attack_options:
            raise UsageError("grad_samples belongs to the protocol, not to attack_options")
        if self.attack in ATTACK_NAMES:  # not an outsider's of a result that is only read
            make_attack(self.attack, **self.attack_options)
            require_norm(self.attack, self.protocol.norm)
        if self.defense is not None:
            parse_defended_player(self.defense)

    def _check_levels(self) -> None:
        if self.corruption is None:
            if self.severities:
                raise UsageError("severity belongs to a corruption: say which (--corruption)")
            check_budgets(self.lams, self.protocol.observation, self.protocol.norm)
            return
        if self.lams:
            raise UsageError("lambda belongs to attacks: a corruption has a severity (--severity)")
        entry, given = find_corruption(self.corruption), self.severities
        if not given:
            raise UsageError(
                f"severity is missing: say for example --severity {entry.severity.suite[0]:g} "
                f"({entry.severity.unit}, {entry.severity.range})"
            )
        for value in given:
            entry.check(self.corruption, value)
        if len(set(given)) < len(given):
            raise UsageError(f"a severity is given twice: {', '.join(f'{v:g}' for v in given)}")

    @property
    def attack_title(self) -> str:
        """The attack, and the ball it stays in where that is not linf."""
        norm = self.protocol.norm
        return self.attack if norm == "linf" else f"{self.attack} in the {norm} ball"

    @property
    def tampering(self) -> str:
        """The name of what tampers with frames: of the attack, or of the corruption."""
        return self.corruption or self.attack

    @property
    def levels(self) -> tuple[float, ...]:
        """How strongly it does: lambdas, or the corruption's severities."""
        return self.severities if self.corruption is not None else self.lams

    def victim_of_original(self, level: float) -> Victim | None:
        """Whose gradient is used on the original: its own, None where nobody attacks."""
        return "own" if level and self.corruption is None else None

    @property
    def parallel(self) -> int:
        """How many environments are played at once."""
        return 1 if self.in_one_emulator else min(self.episodes, self.num_envs or MAX_ENVS)

    @property
    def in_one_emulator(self) -> bool:
        """Whether games are played one at a time, since the attack looks ahead in them."""
        known = self.corruption is None and self.attack in ATTACKS
        return known and ATTACKS[self.attack].needs_emulator
