"""The fixed suite of an audit: which attacks, with which objective, backward mode and victim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, cast

from sap_rl.attacks import ATTACKS
from sap_rl.attacks.factory import AttackFactory, Part, Place, Trial
from sap_rl.defenses.names import Backward
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.play.arms import Victim
from sap_rl.play.players import Players

Role = Literal["game", "probe"]
P = TypeVar("P", Players, EvaluationRun)


@dataclass(frozen=True)
class Kind:
    """What about a player decides how an entry applies to it.

    random: two of its passes differ; backwards: the modes of its defence's backward pass;
    undefended: it is the original or its noisy control, and the original's gradient is all there
    is to know.
    """

    random: bool
    backwards: tuple[Backward, ...]
    undefended: bool


ITERATIVE_SAMPLES = 2
"""Passes per gradient of iterative attacks on a random victim: ten steps average twenty passes."""
ONE_STEP_SAMPLES = 10


@dataclass(frozen=True)
class Entry:
    """One attack of the suite.

    victim: whose gradient; backward: the defence's mode in the attacker's copy, None where that
    means nothing; samples: passes per gradient or query, None where nothing is asked; options:
    others of the attack; role: `probe` entries only serve a check and never play.
    """

    attack: str
    objective: str | None = None
    victim: Victim = "own"
    backward: Backward | None = None
    samples: int | None = None
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    role: Role = "game"

    @property
    def title(self) -> str:
        """The entry's name in tables, unique in the suite: `pgd margin identity x2`."""
        name, more = self.attack, dict(self.options)
        if (steps := more.pop("steps", None)) and ATTACKS[self.attack].needs == "gradient":
            name = f"{name}-{steps}"
        if more.pop("momentum", 0):
            name = f"mi-{name}"
        parts = [name, self.objective, self.backward]
        parts += [f"r{more.pop('restarts')}" if "restarts" in more else None]
        parts += [f"{option}={value}" for option, value in more.items()]
        parts += [f"x{self.samples}" if (self.samples or 1) > 1 else None]
        # Noise asks nobody.
        asks = self.samples is not None
        parts += ["original" if self.victim == "original" and asks else None]
        return " ".join(part for part in parts if part)

    @property
    def needs_frames(self) -> bool:
        """Whether frames must be recorded before the attack can play."""
        return ATTACKS[self.attack].needs_frames

    @property
    def attack_options(self) -> dict[str, Any]:
        """What the attack's factory takes, without the passes."""
        chosen = {"objective": self.objective} if self.objective else {}
        return chosen | self.options

    def at_work(self, whom: P) -> P:
        """The same agents under this attack."""
        return whom.under(
            self.attack, self.attack_options, backward=self.backward, grad_samples=self.samples
        )

    def against(self, kind: Kind) -> Entry:
        """The entry as it applies to a player of that kind."""
        entry = replace(self, victim="original") if kind.undefended else self
        if entry.backward not in kind.backwards or entry.victim == "original":
            entry = replace(entry, backward=None)
        asks_player = entry.victim == "own" or kind.undefended
        if entry.samples is not None and not (kind.random and asks_player):
            entry = replace(entry, samples=1)
        return entry


def entries(*places: Place) -> tuple[Entry, ...]:
    """The suite's lines at these places, as the attacks themselves declare them.

    Place by place; within one the paper's attack first, then what asks nobody, the players' own
    gradients, the original's, and searches without a gradient.
    """
    found = sorted(_declared(), key=lambda line: (line[1].part != "paper", line[2]))
    return tuple(entry for place in places for entry, trial, _ in found if trial.place == place)


def outsiders(name: str | None) -> tuple[Entry, ...]:
    """The lines of the attack that joins, by the player's own gradient and by the original's."""
    if name is None:
        return ()
    trials = (Trial(), Trial(victim="original"))
    return tuple(_entry(name, ATTACKS[name], trial) for trial in trials)


def named(part: Part) -> Entry:
    """The one line that is known to the checks by this name."""
    (entry,) = (entry for entry, trial, _ in _declared() if trial.part == part)
    return entry


def _declared() -> Iterator[tuple[Entry, Trial, int]]:
    """Every attack's own lines, in the order of `ATTACKS`, and the group in which each stands."""
    for name, factory in ATTACKS.items():
        for trial in factory.trials:
            own = 1 if trial.victim == "own" else 2
            group = {"nothing": 0, "gradient": own, "values": 3}[factory.needs]
            yield _entry(name, factory, trial), trial, group


def _entry(name: str, factory: AttackFactory, trial: Trial) -> Entry:
    samples = trial.samples
    if samples is None and factory.asks:
        own = ONE_STEP_SAMPLES if factory.one_step else ITERATIVE_SAMPLES
        samples = own if trial.victim == "own" else 1
    return Entry(
        name,
        trial.objective,
        trial.victim,
        cast(Backward | None, trial.backward),
        samples,
        dict(trial.options),
        "probe" if trial.place == "probe" else "game",
    )


PAPER = named("paper")
"""FGSM as in the paper: the player's own averaged gradient through the authors' backward pass."""
NOISE = named("control")
TRANSFER = named("transfer")
TRANSFER_MARGIN = named("best transfer")
ITERATIVE_OWN = named("steps")
BEST_OWN = named("best")
SQUARE = named("search")
FEW_PASSES, MANY_PASSES, ONE_PASS = PAPER, named("many passes"), named("one pass")
MORE_STEPS_PASSES = named("more passes")

ALWAYS = entries("always")
"""Entries that play in games whatever stage 1 finds."""

SUITE = entries("always", "usual", "probe")
"""The suite of every audit, as docs/audit.md explains it."""

DEEP = entries("deep")
"""What joins the suite where nobody is random, or another agent plays in the original's place: who
was trained to withstand short searches must meet long ones. On the frames always; in games, where
they take hours, only if there they took DEEPER times as much as every short one."""
DEEPER = 1.05


def suite_for(kinds: Iterable[Kind], *, trained: bool = False) -> tuple[Entry, ...]:
    """The suite of an audit with these players; trained: one of them was trained to withstand
    attacks, whatever defence it also carries."""
    return SUITE if any(kind.random for kind in kinds) and not trained else (*SUITE, *DEEP)


def applied(kind: Kind, suite: Iterable[Entry] = SUITE) -> list[Entry]:
    """The suite as it applies to a player, each entry once; games go before probes."""
    found: dict[str, Entry] = {}
    for entry in suite:
        at = entry.against(kind)
        found.setdefault(at.title, at)
    return list(found.values())


def strongest(
    kind: Kind, value_lost: Mapping[str, float], count: int, suite: Iterable[Entry] = SUITE
) -> list[Entry]:
    """The `count` entries that cost a player most, of those that do not play anyway.

    value_lost: title -> mean over frames, for every entry that applies. See DEEP for long searches.
    """
    always = {entry.against(kind).title for entry in ALWAYS}
    long = {entry.against(kind).title for entry in DEEP}
    able = [e for e in applied(kind, suite) if e.role == "game" and e.title not in always]
    most = max((value_lost[e.title] for e in able if e.title not in long), default=0.0)
    able = [e for e in able if e.title not in long or value_lost[e.title] > DEEPER * most]
    return sorted(able, key=lambda entry: -value_lost[entry.title])[:count]


def opponents(kind: Kind, picked: Iterable[Entry]) -> list[Entry]:
    """Whom a player meets in games: what always plays and what was picked, as they apply."""
    return applied(kind, (*ALWAYS, *picked))
