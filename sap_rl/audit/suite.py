"""The fixed suite of an audit: which attacks, with which objective, backward mode and victim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sap_rl.defenses.sap import Backward
from sap_rl.play.arms import Victim

Role = Literal["game", "probe"]


@dataclass(frozen=True)
class Kind:
    """What about a player decides how an entry applies to it.

    random: two of its passes differ; pruned: SAP is in it; undefended: it is the original or its
    noisy control, and the original's gradient is all there is to know.
    """

    random: bool
    pruned: bool
    undefended: bool


ITERATIVE_SAMPLES = 2
"""Passes per gradient of iterative attacks on a random victim: ten steps average twenty passes."""
ONE_STEP_SAMPLES = 10
TRANSFER_STEPS = 5
"""Of pgd on a plain network's gradient, which is exact: 5 steps of half the budget."""


@dataclass(frozen=True)
class Entry:
    """One attack of the suite.

    victim: whose gradient; backward: SAP's mode in the attacker's copy, None where that means
    nothing; samples: passes per gradient or query, None where nothing is asked; options: others of
    the attack; role: `probe` entries only serve a check and never play.
    """

    attack: str
    objective: str | None = None
    victim: Victim = "self"
    backward: Backward | None = None
    samples: int | None = None
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    role: Role = "game"

    @property
    def title(self) -> str:
        """As a table calls it, unique in the suite: `pgd margin identity x2`."""
        name = self.attack
        if self.attack == "pgd" and "steps" in self.options:
            name = f"pgd-{self.options['steps']}"
        if self.options.get("momentum"):
            name = f"mi-{name}"
        parts = [name, self.objective, self.backward]
        parts += [f"r{self.options['restarts']}" if "restarts" in self.options else None]
        parts += [f"x{self.samples}" if (self.samples or 1) > 1 else None]
        # Noise asks nobody.
        parts += ["original" if self.victim == "original" and self.objective else None]
        return " ".join(part for part in parts if part)

    @property
    def attack_options(self) -> dict[str, Any]:
        """What the attack's factory takes, without the passes."""
        chosen = {"objective": self.objective} if self.objective else {}
        return chosen | self.options

    def against(self, kind: Kind) -> Entry:
        """The entry as it applies to a player of that kind."""
        entry = replace(self, victim="original") if kind.undefended else self
        if not kind.pruned or entry.victim == "original":
            entry = replace(entry, backward=None)
        asks_player = entry.victim == "self" or kind.undefended
        if entry.samples is not None and not (kind.random and asks_player):
            entry = replace(entry, samples=1)
        return entry


def _own(attack: str, objective: str, backward: Backward, **options: Any) -> Entry:
    samples = ONE_STEP_SAMPLES if attack == "fgsm" else ITERATIVE_SAMPLES
    return Entry(attack, objective, "self", backward, samples, options)


def _transfer(attack: str, objective: str, **options: Any) -> Entry:
    if attack == "pgd":
        options = {"steps": TRANSFER_STEPS} | options
    return Entry(attack, objective, "original", None, 1, options)


PAPER = Entry("fgsm", "cross-entropy", "self", "mask", ONE_STEP_SAMPLES)
"""FGSM as in the paper: the player's own averaged gradient through the authors' backward pass."""
NOISE = Entry("noise")
TRANSFER = _transfer("fgsm", "cross-entropy")
ALWAYS = (PAPER, NOISE, TRANSFER)
"""What plays whatever stage 1 finds."""

ITERATIVE_OWN = _own("pgd", "cross-entropy", "mask")
BEST_OWN = _own("pgd", "margin", "identity")
SQUARE = Entry("square", "margin", "self", None, ITERATIVE_SAMPLES, {"steps": 50})

FEW_PASSES, MANY_PASSES = PAPER, replace(PAPER, samples=40, role="probe")
ONE_PASS = replace(PAPER, samples=1, role="probe")
MORE_STEPS_PASSES = replace(BEST_OWN, samples=8, role="probe")

SUITE: tuple[Entry, ...] = (
    *ALWAYS,
    Entry("uniform"),
    _own("fgsm", "cross-entropy", "identity"),
    _own("fgsm", "cross-entropy", "full"),
    _own("fgsm", "margin", "mask"),
    ITERATIVE_OWN,
    _own("pgd", "cross-entropy", "identity"),
    _own("pgd", "margin", "mask"),
    BEST_OWN,
    _own("pgd", "margin", "full"),
    _own("pgd", "lower-q", "identity"),
    _own("pgd", "worst-action", "identity"),
    _own("pgd", "mad", "identity"),
    _own("pgd", "margin", "identity", momentum=1.0),
    _own("apgd", "margin", "identity"),
    _transfer("fgsm", "margin"),
    _transfer("pgd", "cross-entropy"),
    _transfer("pgd", "margin"),
    _transfer("pgd", "lower-q"),
    _transfer("pgd", "worst-action"),
    _transfer("pgd", "mad"),
    _transfer("pgd", "margin", momentum=1.0),
    _transfer("apgd", "margin"),
    _transfer("universal", "margin"),
    SQUARE,
    Entry("spsa", "margin", "self", None, 1, {"steps": 5}),
    ONE_PASS,
    MANY_PASSES,
    MORE_STEPS_PASSES,
)
"""Documented in docs/audit.md; pgd, apgd: 10 steps from a random start, pgd-5: 5."""


DEEP: tuple[Entry, ...] = (
    _own("pgd", "margin", "identity", steps=20),
    _own("pgd", "cross-entropy", "identity", steps=20),
    _own("pgd", "mad", "identity", steps=20),
    _own("pgd", "margin", "identity", steps=20, restarts=3),
    _own("pgd", "margin", "identity", steps=100),
)
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
    found = {entry.against(kind).title: entry.against(kind) for entry in (*ALWAYS, *picked)}
    return list(found.values())
