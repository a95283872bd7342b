"""The arms of an evaluation: who plays under which attack, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ArmName = Literal["original", "defended", "random", "matched"]
Victim = Literal["self", "original", "other"]


@dataclass(frozen=True)
class Arm:
    """One cell of an evaluation: who plays, under which lambda, whose gradient the attacker uses.

    victim is None where nobody attacks.
    """

    name: ArmName
    lam: float = 0.0
    victim: Victim | None = None

    @property
    def title(self) -> str:
        """The arm's name, unique among the arms of one lambda: `defended-self`."""
        return self.name if self.victim is None or self.name == "original" else (
            f"{self.name}-{self.victim}"
        )  # fmt: skip

    @property
    def cost(self) -> float:
        """What an episode costs, roughly: passes of a plain network per step."""
        if self.name == "random":
            return 0.5
        if not self.victim:
            return 2.0 if self.name == "original" else 5.0
        own = self.victim == "self"
        return {"original": 6.0, "defended": 30.0 if own else 10.0}.get(self.name, 7.0)


CALIBRATES = Arm("defended")
"""The arm whose play sets the noise of the `matched` control."""


def plan(
    lams: tuple[float, ...],
    *,
    defended: bool,
    victims: tuple[Victim, ...],
    controls: bool,
    noisy: bool = True,
) -> list[Arm]:
    """All arms in playing order: clean ones first, then each lambda.

    noisy: the defended agent flips at random, so that the `matched` control means something.
    """
    names: list[ArmName] = ["random"] if controls else []
    names += ["original", *(["defended"] if defended else [])]  # type: ignore[list-item]
    names += ["matched"] if defended and controls and noisy else []
    arms = [Arm(name) for name in names]
    for lam in sorted(lam for lam in lams if lam > 0):
        arms.append(Arm("original", lam, "self"))
        for name in names:
            if name in ("defended", "matched"):
                arms += [Arm(name, lam, victim) for victim in victims]
    return arms
