"""How an agent plays under each way of showing it the game: which of them it was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

from sap_rl.agents import Agent
from sap_rl.atari.env import num_actions
from sap_rl.atari.preprocess import CHOICES, Preprocess
from sap_rl.errors import UsageError
from sap_rl.evaluation.comparison import clearly_above
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.networks.adapt import retaken
from sap_rl.zoo.score import CHECK_SEED, score_settings

EPISODES = 8
MAX_FRAMES = 4_000
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

    random: random play on the same episodes; sticky: the best choice under sticky actions;
    max_frames: the games' cap.
    """

    choices: tuple[Choice, ...]
    sticky: Choice
    random: Row
    max_frames: int = MAX_FRAMES

    @property
    def best(self) -> Choice:
        """The choice under which it plays best; the first where none is clearly better."""
        first, best = self.choices[0], max(self.choices, key=lambda choice: choice.mean)
        return best if clearly_above(best.row.returns, first.row.returns) else first

    @property
    def plays(self) -> bool:
        """Whether the best choice is clearly above random play."""
        return clearly_above(self.best.row.returns, self.random.returns)


def variants(agent: Agent, game: str) -> Iterator[tuple[str, Preprocess]]:
    """The given preprocessing, then others that its network can be shown: scale, order, layout, two
    of these at once, actions."""
    sees = agent.preprocess
    other = {
        name: next(word for word in CHOICES[name] if word != getattr(sees, name))
        for name in ("scale", "order", "layout")
        if (name != "order" or sees.frames > 1) and (name != "layout" or sees.height == sees.width)
    }
    ones = [{name: word} for name, word in other.items()]
    twos = [one | two for one, two in combinations(ones, 2)]
    actions: dict[str, Any] = {"full_action_space": not sees.full_action_space}
    changes: list[dict[str, Any]] = [{}, *ones, *twos, actions]
    for change in changes:
        found = replace(sees, **change)
        if num_actions(game, found) == agent.num_actions:
            yield _said(change), found


def judge(
    agent: Agent,
    game: str,
    *,
    episodes: int = EPISODES,
    max_frames: int = MAX_FRAMES,
    seed: int = CHECK_SEED,
) -> Iterator[Choice | Verdict]:
    """Play every choice on the same episodes, then the best in a world of sticky actions.

    episodes, max_frames: games of each choice, and their cap in emulator frames. Yields each as it
    is played, the verdict last. UsageError where no choice fits the game.
    """
    found: list[Choice] = []
    random: Row | None = None
    play = partial(_played, agent, game, episodes=episodes, max_frames=max_frames, seed=seed)
    for said, sees in variants(agent, game):
        *first, row = play(sees, controls=random is None)
        random = first[0] if first else random
        found.append(Choice(said, sees, row))
        yield found[-1]
    if random is None:
        raise UsageError(
            f"agent '{agent.name}' has {agent.num_actions} actions, {game} has {_counts(game)}: it "
            f"was trained on another game, or on some of them: first_actions={agent.num_actions}"
        )
    best = Verdict(tuple(found), found[0], random).best
    sees = replace(best.sees, sticky_actions=STICKY)
    sticky = Choice(f"{best.said}, sticky_actions={STICKY:g}", sees, *play(sees))
    yield Verdict(tuple(found), sticky, random, max_frames)


def _played(
    agent: Agent, game: str, sees: Preprocess, *, controls: bool = False, **rules: int
) -> tuple[Row, ...]:
    """The agent's row, with controls behind that of random play."""
    plain = score_settings(game, sticky_actions=sees.sticky_actions, **rules)
    settings = replace(plain, controls=controls)
    shown = replace(agent, module=retaken(agent.module, sees), preprocess=sees)
    run = EvaluationRun(shown, settings)
    for _ in run.play():
        pass
    return tuple(run.rows)


def _counts(game: str) -> str:
    return " or ".join(dict.fromkeys((f"{num_actions(game)}", "18")))


def _said(change: dict[str, object]) -> str:
    words = (f"{name}={str(value).lower()}" for name, value in change.items())
    return " ".join(words) or "as given"
