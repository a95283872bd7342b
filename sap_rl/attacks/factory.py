"""An entry of `ATTACKS`: a factory, and the traits by which other rooms treat its attack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, get_args

from sap_rl.atari.protocol import Norm
from sap_rl.schema import OptionField, options_of
from sap_rl.types import Attack

NORMS: tuple[Norm, ...] = get_args(Norm)

Needs = Literal["nothing", "values", "gradient"]
Place = Literal["always", "usual", "probe", "deep"]
Part = Literal[
    "paper", "control", "transfer", "steps", "best", "best transfer", "search", "one pass",
    "many passes", "more passes",
]  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One line of an attack in the audit's suite.

    objective: None where the attack has none; victim: whose gradient, the player's own (`own`) or
    the `original`'s; backward: the defence's backward mode in the attacker's copy, None where that
    means nothing; samples: passes per gradient or query of a random victim, None for the suite's
    own number; options: others of the attack. place: `always` plays in games, `usual` where it is
    among the strongest on frames, `probe` never; `deep` joins against who was trained to withstand
    attacks. part: the name under which one of the audit's checks asks for it.
    """

    objective: str | None = None
    victim: Literal["own", "original"] = "own"
    backward: str | None = None
    samples: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    place: Place = "usual"
    part: Part | None = None


@dataclass(frozen=True)
class AttackFactory:
    """Makes an attack from its options: those of its signature, each an `Annotated[..., Option]`.

    needs: what the attack asks of its victim: `nothing`, action `values`, or their `gradient` too;
    then it takes `grad_samples`. one_step: it looks once and does not search. needs_frames: what is
    made is a `Fittable` and meets games only once it was fitted on recorded frames. needs_emulator:
    what is made is a `LooksAhead` and meets games one at a time. norms: of the threats that it
    knows how to use up. trials: where the attack stands in the audit's suite. version: raised when
    the attack's results change.
    """

    make: Callable[..., Attack]
    needs: Needs
    one_step: bool = False
    needs_frames: bool = False
    needs_emulator: bool = False
    norms: tuple[Norm, ...] = ("linf",)
    trials: tuple[Trial, ...] = ()
    version: int = 1

    def __call__(self, **options: Any) -> Attack:
        return self.make(**options)

    @property
    def asks(self) -> bool:
        """Whether it looks at its victim, so that passes of a random one are averaged."""
        return self.needs != "nothing"

    @cached_property
    def options(self) -> Mapping[str, OptionField]:
        """Name -> what the option is."""
        return options_of(self.make)


class Fittable(Attack, Protocol):
    """An attack that is fitted on recorded frames before it meets games."""

    def fit(self, q: Any, frames: Any, threat: Any, generator: Any, /) -> Attack:
        """The same attack fitted on unit frames [N, K, H, W]."""
        ...


class LooksAhead(Attack, Protocol):
    """An attack that plays on in the emulator of its game before it decides."""

    def beside(self, emulator: Any, /) -> Attack:
        """The same attack in a game of this `RewoundAtari`."""
        ...
