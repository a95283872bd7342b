"""Where the zoo's games stand, by their agents' cards and their runs, and whose turn it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sap_rl.agents import Agent, load_agent
from sap_rl.atari.games import FACTS, game_facts
from sap_rl.errors import UsageError
from sap_rl.training.curve import curve_line, learning_curve
from sap_rl.training.dqn.parent import stated_number
from sap_rl.zoo.recipes import Recipe
from sap_rl.zoo.runs import aside, steps_of
from sap_rl.zoo.score import CAPS, stated_score

CAP = CAPS["cap_30_minutes"]
ALIVE = 0.05
"""Share of the way from random play to the bar that a living run has made when it is looked at: a
few lucky games lift the mean of a dead one as well."""
LATELY = 200_000
"""Agent steps at the end of a curve over which its slope is read."""
PER = 100_000
"""Agent steps for which a slope is said."""


@dataclass(frozen=True)
class Standing:
    """Where a game stands: its agent's score, random play's without an agent, and its bar.

    steps: agent steps at which its training goes on; spent: those and the ones of the runs that
    were set aside; dead: its run learned nothing by the recipe's `look_at`.
    """

    game: str
    score: float
    random: float
    bar: float
    steps: int = 0
    spent: int = 0
    dead: bool = False

    @property
    def way(self) -> float:
        """Share of the way from random play to the bar: 0 at random, 1 at the bar."""
        return (self.score - self.random) / (self.bar - self.random)

    @property
    def passes(self) -> bool:
        """Whether the score reaches the bar."""
        return self.score >= self.bar

    def turn(self, share: int) -> tuple[bool, int]:
        """The lower, the sooner it is trained: games below their bars first, then whole shares."""
        return self.passes, self.spent // share


def ranked(standings: Sequence[Standing], *, share: int) -> list[Standing]:
    """The games in the order of their turns; equals keep the order in which they are given.

    share: agent steps after which a game makes way for the next.
    """
    return sorted(standings, key=lambda standing: standing.turn(share))


def standing(game: str, agents: Path, runs: Path, recipe: Recipe) -> Standing:
    """A game's standing by its agent's card and by its own runs."""
    facts = game_facts(game)
    if facts.random is None or facts.dqn_2_5m is None:
        raise UsageError(f"no bar is known for {game}; choose from {', '.join(FACTS)}")
    score, agent = facts.random, shipped(agents / game)
    if agent is not None:
        score = stated_score(agent.facts, CAP).mean
    steps = max(card_steps(trained_on(agent, recipe)), steps_of(runs / game))
    spent = steps + sum(steps_of(run) for run in aside(runs / game))
    dead = is_dead(runs / game, facts.random, facts.dqn_2_5m, recipe.rules.look_at)
    return Standing(game, score, facts.random, facts.dqn_2_5m, steps, spent, dead)


def is_dead(run: Path, random: float, bar: float, look_at: int) -> bool:
    """Whether a run has made `look_at` steps without ever being above random play by its curve.

    False where `look_at` is 0, and without a curve.
    """
    if not look_at or steps_of(run) < look_at:
        return False
    curve = learning_curve(run)
    returns = [mean for _, mean in curve.training] if curve is not None else []
    return bool(returns) and max(returns) - random < ALIVE * (bar - random)


def slope(run: Path) -> float | None:
    """Least squares of the return of training's games over the last `LATELY` steps of a run's
    curve, per `PER` steps; None where less than two points lie there."""
    curve = learning_curve(run)
    if curve is None or not curve.training:
        return None
    last = curve.training[-1][0]
    steps, means = zip(*[p for p in curve.training if p[0] > last - LATELY], strict=True)
    if len(set(steps)) < 2:
        return None
    return float(np.polyfit(np.divide(steps, PER), means, 1)[0])


def latest(run: Path) -> tuple[int, float]:
    """Agent steps and hours at the end of a run's curve; zeros without one."""
    line = curve_line(run, 2**63)
    return (0, 0.0) if line is None else (int(line["steps"]), float(line["seconds"]) / 3600)


def shipped(place: Path) -> Agent | None:
    """The agent in a game's place; None where there is none."""
    return load_agent(place) if (place / "agent.toml").is_file() else None


def trained_on(agent: Agent | None, recipe: Recipe) -> Agent | None:
    """The agent if a new run may begin from it: it has the recipe's network, and no seed is dead.

    Agents of quantiles are shipped folded, so their runs begin from nothing.
    """
    if agent is None or agent.kind != recipe.settings.network or recipe.rules.look_at:
        return None
    return agent


def card_steps(agent: Agent | None) -> int:
    """Agent steps by an agent's card; 0 where it states none."""
    return 0 if agent is None else int(stated_number(agent.facts, "agent_steps") or 0)
