"""The arms of an evaluation: who plays under which attack, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sap_rl.corruptions import find_corruption
from sap_rl.versions import RENAMED

ArmName = Literal["original", "defended", "random", "noise-control"]
Victim = Literal["own", "original", "other"]

SPELLED = ("arm", "kind", "player", "victim", "victims")
"""Entries of plain mappings that name arms or victims."""
TODAYS = {first: name for name, first in RENAMED.items()}


def todays_name(name: Any) -> Any:
    """An arm's or a victim's name, where it is the one that these had first; else what is given."""
    return TODAYS.get(name, name)


def gradient_words(victim: str) -> str:
    """Whose gradient the attacker uses: `own gradient`, `original's gradient`."""
    whose = {"own": "own", "other": "another's"}.get(victim, f"{victim}'s")
    return f"{whose} gradient"


def level_text(corruption: str | None, level: float) -> str:
    """How strongly frames are tampered with, in words: `lambda 4`, `rotate 0.5 degrees`.

    corruption: None for an attack, whose level is lambda.
    """
    if corruption is None:
        return f"lambda {level:g}"
    return f"{corruption} {find_corruption(corruption).severity.text(level)}"


def in_todays_names(plain: Any) -> Any:
    """Plain JSON of any version with the names that arms and victims have today."""
    return _respelled(plain, TODAYS)


def in_first_names(plain: Any) -> Any:
    """Plain JSON with the names that arms and victims had first, as keys of cells spell them."""
    return _respelled(plain, RENAMED)


def _respelled(plain: Any, names: dict[str, str], at: str = "") -> Any:
    if isinstance(plain, dict):
        return {key: _respelled(value, names, key) for key, value in plain.items()}
    if isinstance(plain, list | tuple):
        return type(plain)(_respelled(value, names, at) for value in plain)
    return names.get(plain, plain) if isinstance(plain, str) and at in SPELLED else plain


@dataclass(frozen=True)
class Arm:
    """One cell of an evaluation: who plays, under which lambda, whose gradient the attacker uses.

    victim is None where nobody attacks. corruption: what spoils the frames instead of an attack;
    lam is then its severity.
    """

    name: ArmName
    lam: float = 0.0
    victim: Victim | None = None
    corruption: str | None = None

    @property
    def level(self) -> str:
        """How strongly frames are tampered with: `lambda 4`, `rotate 0.5 degrees`."""
        return level_text(self.corruption, self.lam)

    @property
    def title(self) -> str:
        """The arm's name, unique among the arms of one lambda: `defended-own`."""
        return "-".join(self._words)

    @property
    def stream(self) -> str:
        """The title as names of random streams spell it."""
        return "-".join(RENAMED.get(word, word) for word in self._words)

    @property
    def _words(self) -> tuple[str, ...]:
        alone = self.victim is None or self.name == "original"
        return (self.name,) if alone else (self.name, str(self.victim))

    @property
    def cost(self) -> float:
        """What an episode costs, roughly: passes of a plain network per step."""
        if self.name == "random":
            return 0.5
        if not self.victim:
            return 2.0 if self.name == "original" else 5.0
        own = self.victim == "own"
        return {"original": 6.0, "defended": 30.0 if own else 10.0}.get(self.name, 7.0)


CALIBRATES = Arm("defended")
"""The arm whose play sets the noise of the noise control."""


def plan(
    lams: tuple[float, ...],
    *,
    defended: bool,
    victims: tuple[Victim, ...],
    controls: bool,
    noisy: bool = True,
    corruption: str | None = None,
) -> list[Arm]:
    """All arms in playing order: clean ones first, then each lambda.

    noisy: the defended agent flips at random, so that the noise control means something.
    corruption: instead of an attack, so that nobody's gradient is used; lams are its severities.
    """
    names: list[ArmName] = ["random"] if controls else []
    names += ["original", *(["defended"] if defended else [])]  # type: ignore[list-item]
    names += ["noise-control"] if defended and controls and noisy else []
    arms = [Arm(name) for name in names]
    for lam in sorted(lam for lam in lams if lam > 0):
        if corruption is not None:
            arms += [Arm(name, lam, None, corruption) for name in names if name != "random"]
            continue
        arms.append(Arm("original", lam, "own"))
        for name in names:
            if name in ("defended", "noise-control"):
                arms += [Arm(name, lam, victim) for victim in victims]
    return arms
