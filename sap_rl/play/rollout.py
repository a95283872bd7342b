"""Play a fixed list of episodes to their ends, whoever plays, and tell what happens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from sap_rl.atari.fleet import Fleet, VectorEnv
from sap_rl.play.episodes import ActionDraws, EpsilonDraws, env_seed
from sap_rl.types import ActionArray, PixelArray


@dataclass(frozen=True)
class Decision:
    """What a player chose, for n environments, and what was measured on the way.

    actions [n]: of the largest scores; chances [n, A]: by which the game draws its actions instead,
    None where those are played; total_variation [n]: of the chances against those of the clean
    frame; flipped [n]: greedy action differs from the one on the clean frame; self_flipped
    [n]: two passes over the clean frame differ; linf, mean [n]: perturbation in pixels; struck,
    idle [n]: the schedule said attack, share of movable pixels left alone; forward, backward [n]:
    passes of the victim that the attack took. None where it does not apply.
    """

    actions: ActionArray
    flipped: np.ndarray | None = None
    self_flipped: np.ndarray | None = None
    linf: np.ndarray | None = None
    mean: np.ndarray | None = None
    struck: np.ndarray | None = None
    idle: np.ndarray | None = None
    forward: np.ndarray | None = None
    backward: np.ndarray | None = None
    chances: np.ndarray | None = None
    total_variation: np.ndarray | None = None


@runtime_checkable
class Player(Protocol):
    """Chooses actions from uint8 pixels [n, K, H, W].

    first [n]: an episode begins here; rows: which environments these are.
    """

    def decide(self, pixels: PixelArray, first: np.ndarray, rows: np.ndarray) -> Decision: ...


@dataclass(frozen=True)
class Episode:
    """A finished episode; truncated: the cap on frames ended it, not the game."""

    index: int
    ret: float
    length: int
    truncated: bool


@dataclass(frozen=True)
class Step:
    """One step of every environment that still plays: what it showed and what was decided.

    ended: the episodes that it ended; their environments have begun others by the time it is told.
    """

    pixels: PixelArray
    decision: Decision
    ended: tuple[Episode, ...] = ()


def rollout(
    envs: Fleet | VectorEnv,
    player: Player,
    *,
    episodes: Iterable[int],
    seed: int,
    epsilon: float,
    max_steps: int,
) -> Iterator[Step | Episode]:
    """Play these episodes of `seed`, every one to its end.

    Each in turn goes to the first free environment (autoreset NEXT_STEP, partial resets with a
    reset_mask); an environment without an episode stands still where its group may, else idles at
    no-op, and the player is not asked about it. So the list is unbiased by episode length. Yields
    every Step, then the Episodes that it ended.
    """
    fleet = envs if isinstance(envs, Fleet) else Fleet([envs])
    games = _Games(fleet, episodes, seed, epsilon, max_steps)
    while (rows := games.playing()).size:
        assert fleet.obs is not None
        shown, begins = fleet.obs[rows], games.lengths[rows] == 0
        decision = player.decide(shown, begins, rows)
        ended = games.step(rows, decision)
        yield Step(shown, decision, ended)
        yield from ended


class _Games:
    """Which environment plays which episode, and what it has brought so far.

    index [num_envs]: the episode that each plays, -1 for none.
    """

    def __init__(
        self, fleet: Fleet, episodes: Iterable[int], seed: int, epsilon: float, max_steps: int
    ) -> None:
        self.fleet, self.seed = fleet, seed
        self.epsilon, self.max_steps = epsilon, max_steps
        self.waiting = iter(episodes)
        self.draws: dict[int, EpsilonDraws] = {}
        self.samplers: dict[int, ActionDraws] = {}
        self.index = np.full(fleet.num_envs, -1)
        self.returns = np.zeros(fleet.num_envs)
        self.lengths = np.zeros(fleet.num_envs, dtype=np.int64)
        self._begin(np.arange(fleet.num_envs))

    def playing(self) -> np.ndarray:
        """The environments with an episode on."""
        return np.flatnonzero(self.index >= 0)

    def step(self, rows: np.ndarray, decision: Decision) -> tuple[Episode, ...]:
        """Play what was decided or epsilon's random actions; other episodes replace ended ones."""
        chosen = decision.actions.tolist()
        if decision.chances is not None:
            drawn = zip(rows.tolist(), decision.chances, strict=True)
            chosen = [self.samplers[row].action(chances) for row, chances in drawn]
        pairs = zip(rows.tolist(), chosen, strict=True)
        actions = [self.draws[r].replace(int(self.lengths[r]), action) for r, action in pairs]
        reward, terminated, truncated = self.fleet.step(rows, np.array(actions, dtype=np.int64))
        self.returns[rows] += reward
        self.lengths[rows] += 1
        over = terminated | truncated
        freed, cut = rows[over], (truncated & ~terminated)[over]
        told = (self.index[freed], self.returns[freed], self.lengths[freed], cut)
        ended = zip(*(values.tolist() for values in told), strict=True)
        episodes = tuple(Episode(*facts) for facts in ended)
        if episodes:
            self._begin(freed)
        return episodes

    def _begin(self, rows: np.ndarray) -> None:
        """Hand the next episodes to these environments, as far as there are any."""
        self.index[rows] = [next(self.waiting, -1) for _ in rows]
        starting = rows[self.index[rows] >= 0]
        if not starting.size:
            return
        index = self.index[starting].tolist()
        self.fleet.reset(starting, np.array([env_seed(self.seed, i) for i in index]))
        for row, episode in zip(starting.tolist(), index, strict=True):
            self.draws[row] = EpsilonDraws(
                self.seed, episode, epsilon=self.epsilon, num_actions=self.fleet.num_actions,
                max_steps=self.max_steps,
            )  # fmt: skip
            self.samplers[row] = ActionDraws(self.seed, episode)
        self.returns[starting], self.lengths[starting] = 0.0, 0
