"""What an audit is asked to do, and how large each effort makes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from sap_rl.atari.protocol import Protocol
from sap_rl.attacks.names import LOOKAHEAD, is_outside
from sap_rl.defenses.names import DEFAULT_DEFENSE
from sap_rl.errors import UsageError
from sap_rl.evaluation.settings import MAX_ENVS, Defence, Game, Precision, Seed, Settings
from sap_rl.plain import OptionValue
from sap_rl.play import RECORD_EVERY
from sap_rl.schema import Option, check, numbers

Budget = Literal["quick", "standard", "thorough"]

LAMBDAS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
QUICK_LAMBDA = (0.25,)
"""Sub-pixel: where undefended agents keep part of their reward, so that agents differ."""

FRAMES = 512
FRAMES_IN_ALL = {"quick": 512, "standard": 768, "thorough": None}
"""Frames times lambdas at most, so that stage 1 takes 10 minutes on two cores; None: no bound."""
LEAST_FRAMES = 64

EPISODES = {"quick": 10, "standard": 30, "thorough": 100}
EPISODES_IN_ALL = {"quick": 10, "standard": 60, "thorough": None}
"""Episodes per cell times lambdas at most, but LEAST_EPISODES each."""
LEAST_EPISODES = 10

CERTIFIED_IN_ALL = 48
LEAST_CERTIFIED = 8
"""Frames times lambdas on which bounds are computed, so that they take about a minute."""


@dataclass(frozen=True)
class AuditSettings:
    """One audit; UsageError for what cannot be played."""

    game: Game
    lams: Annotated[
        tuple[float, ...],
        Option(
            "attack budgets",
            "pixels 0..255",
            name="lambda",
            read=numbers,
            shown="0.25 for quick, else 0.05 to 8",
        ),
    ] = ()
    defense: Defence = DEFAULT_DEFENSE
    defense_options: Annotated[
        dict[str, OptionValue], Option("the defence's own, see `sap-rl defenses NAME`", hidden=True)
    ] = field(default_factory=dict)
    budget: Annotated[Budget, Option("15 minutes, 2 hours or unbounded", name="effort")] = (
        "standard"
    )
    episodes: Annotated[
        int | None, Option("of each cell", within="count", shown="10, 10 to 30, 100 by effort")
    ] = None
    frames: Annotated[
        int | None,
        Option(
            "recorded ones that each attack is tried on, per lambda", within="count",
            name="attack_frames", shown=f"at most {FRAMES}, by effort",
        ),
    ] = None  # fmt: skip
    attack: Annotated[
        str | None,
        Option(
            "what joins the suite and always plays: a callable of yours, FILE.py:NAME, an attacker "
            f"that learned, learned:FILE, or {LOOKAHEAD}"
        ),
    ] = None
    learned: Annotated[
        bool, Option("train an attacker on the audited player first, which then joins; needs sb3")
    ] = False
    minutes: Annotated[
        float, Option("that an attacker learns, on this machine, in all runs", within="from zero")
    ] = 60.0
    strongest: Annotated[
        int,
        Option("attacks of stage 1 that go on to play, per lambda and player", within="count"),
    ] = 3
    certified: Annotated[
        int | None,
        Option(
            "recorded frames per lambda on which bounds are computed, a second each; 0 for none",
            within="from zero",
            shown=f"{CERTIFIED_IN_ALL} over all lambdas, at least {LEAST_CERTIFIED} each",
        ),
    ] = None
    every: Annotated[int, Option("between recorded frames", "steps", within="count")] = RECORD_EVERY
    corruptions: Annotated[
        bool, Option("play every corruption too, until half of the reward is gone")
    ] = False
    seed: Seed = 0
    precision: Precision = "float32"
    protocol: Annotated[Protocol, Option("the rules of play, a `Protocol`", hidden=True)] = field(
        default_factory=Protocol
    )

    def __post_init__(self) -> None:
        check(self)
        if any(lam == 0 for lam in self.lams):
            raise UsageError("lambda 0 is always played; name the lambdas to attack with")
        if self.budget == "quick" and len(self.lams) > 1:
            given = ", ".join(f"{lam:g}" for lam in self.lams)
            raise UsageError(f"effort quick has one lambda, got {given}; choose standard")
        if self.protocol.grad_samples is not None:
            raise UsageError("an audit sets the gradient samples of each attack itself")
        if self.attack not in (None, LOOKAHEAD) and not is_outside(str(self.attack)):
            raise UsageError(
                f"attack must be FILE.py:NAME, learned:FILE or {LOOKAHEAD}, got '{self.attack}'"
            )
        if self.learned and (self.attack or len(self.budgets) > 1):
            given = self.attack or ", ".join(f"lambda {lam:g}" for lam in self.budgets)
            raise UsageError(f"an attacker learns alone and at one lambda, got {given}")
        self.games()  # refuses what an evaluation would refuse

    @property
    def budgets(self) -> tuple[float, ...]:
        """The lambdas, ascending."""
        default = QUICK_LAMBDA if self.budget == "quick" else LAMBDAS
        return tuple(sorted(self.lams or default))

    @property
    def frames_each(self) -> int:
        """Recorded frames on which each lambda is measured."""
        if self.frames is not None:
            return self.frames
        bound = FRAMES_IN_ALL[self.budget]
        share = FRAMES if bound is None else bound // len(self.budgets)
        return max(LEAST_FRAMES, min(FRAMES, share))

    @property
    def certified_each(self) -> int:
        """Recorded frames on which bounds are computed at each lambda."""
        if self.certified is not None:
            return self.certified
        return max(LEAST_CERTIFIED, CERTIFIED_IN_ALL // len(self.budgets))

    @property
    def episodes_each(self) -> int:
        """Episodes of each cell."""
        if self.episodes is not None:
            return self.episodes
        most, bound = EPISODES[self.budget], EPISODES_IN_ALL[self.budget]
        share = most if bound is None else bound // len(self.budgets)
        return max(LEAST_EPISODES, min(most, share))

    def games(self) -> Settings:
        """The settings under which its games are played and its rows are made."""
        return Settings(
            game=self.game,
            lams=self.budgets,
            defense=self.defense,
            defense_options=self.defense_options,
            episodes=self.episodes_each,
            num_envs=MAX_ENVS,
            seed=self.seed,
            precision=self.precision,
            protocol=self.protocol,
        )
