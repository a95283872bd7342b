"""How an agent plays under each way of showing it the game: which of them it was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sap_rl.agents import Agent
from sap_rl.atari.env import num_actions
from sap_rl.atari.games import game_facts
from sap_rl.atari.preprocess import Preprocess
from sap_rl.errors import UsageError
from sap_rl.evaluation.comparison import clearly_above
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.networks.adapt import retaken
from sap_rl.zoo.score import CHECK_SEED, score_settings

EPISODES = 8
MAX_FRAMES = 6_000
"""Games of each choice, and their cap in emulator frames: about a minute for all of them."""
STICKY = 0.25
"""The chance of a repeated action in the world of Machado et al. 2018 (arXiv 1709.06009)."""


@dataclass(frozen=True)
class Choice:
    """One way of showing an agent the game, and how it plays then; said: the entries of the
    preprocessing that differ from the given ones, "as given" where none does."""

    said: str
    sees: Preprocess
    row: Row

    @property
    def mean(self) -> float:
        """Mean return."""
        assert self.row.mean is not None
        return self.row.mean


@dataclass(frozen=True)
class Verdict:
    """What an agent is worth in a game, choice by choice, the given one first where it fits.

    random: the published return of random play, None where nobody published it; sticky: the best
    choice under sticky actions.
    """

    choices: tuple[Choice, ...]
    sticky: Choice
    random: float | None

    @property
    def best(self) -> Choice:
        """The choice under which it plays best; the first where none is clearly better."""
        first, best = self.choices[0], max(self.choices, key=lambda choice: choice.mean)
        return best if clearly_above(best.row.returns, first.row.returns) else first

    @property
    def plays(self) -> bool:
        """Whether the best choice is above random play, as far as that is known."""
        return self.random is None or self.best.mean > self.random


def variants(agent: Agent, game: str) -> Iterator[tuple[str, Preprocess]]:
    """The given preprocessing, then others that its network can be shown: scale, order, actions."""
    sees = agent.preprocess
    scale = "unit" if sees.scale == "pixels" else "pixels"
    order = "oldest_first" if sees.order == "newest_first" else "newest_first"
    changes: list[dict[str, Any]] = [
        {}, {"scale": scale}, {"order": order}, {"scale": scale, "order": order},
        {"full_action_space": not sees.full_action_space},
    ]  # fmt: skip
    for change in changes:
        found = replace(sees, **change)
        if num_actions(game, found) == agent.num_actions:
            yield _said(change), found


def judge(agent: Agent, game: str) -> Iterator[Choice | Verdict]:
    """Play every choice on the same episodes, then the best in a world of sticky actions.

    Yields each as it is played, the verdict last. UsageError where no choice fits the game.
    """
    found: list[Choice] = []
    for said, sees in variants(agent, game):
        found.append(Choice(said, sees, _played(agent, game, sees)))
        yield found[-1]
    if not found:
        raise UsageError(
            f"agent '{agent.name}' has {agent.num_actions} actions, {game} has "
            f"{num_actions(game)} or 18: it was trained on another game, or on first_actions"
        )
    best = Verdict(tuple(found), found[0], None).best
    sees = replace(best.sees, sticky_actions=STICKY)
    sticky = Choice(f"{best.said}, sticky_actions={STICKY:g}", sees, _played(agent, game, sees))
    yield Verdict(tuple(found), sticky, game_facts(game).random)


def _played(agent: Agent, game: str, sees: Preprocess) -> Row:
    settings = score_settings(
        game, episodes=EPISODES, seed=CHECK_SEED, max_frames=MAX_FRAMES,
        sticky_actions=sees.sticky_actions,
    )  # fmt: skip
    shown = replace(agent, module=retaken(agent.module, sees), preprocess=sees)
    run = EvaluationRun(shown, settings)
    for _ in run.play():
        pass
    return run.rows[0]


def _said(change: dict[str, object]) -> str:
    words = (f"{name}={str(value).lower()}" for name, value in change.items())
    return " ".join(words) or "as given"
