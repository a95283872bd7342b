"""Play a fixed list of episodes to their ends, whoever plays, and tell what happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from sap_rl.atari.fleet import Fleet, VectorEnv
from sap_rl.play.episodes import EpsilonDraws, Roster, env_seed
from sap_rl.types import ActionArray, PixelArray


@dataclass(frozen=True)
class Decision:
    """What a player chose, for n environments, and what was measured on the way.

    actions [n]; flipped [n]: greedy action differs from the one on the clean frame; self_flipped
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


@dataclass
class Position:
    """Where games stand: enough to bring fresh emulators there, since these have no chance of
    their own.

    given: the next episode to be handed out; index: which one each environment plays, -1 for none;
    actions: what was played in it so far, a byte each.
    """

    given: int = 0
    index: list[int] = field(default_factory=list)
    actions: list[bytearray] = field(default_factory=list)


def rollout(
    envs: Fleet | VectorEnv,
    player: Player,
    *,
    episodes: int,
    seed: int,
    epsilon: float,
    max_steps: int,
    position: Position | None = None,
) -> Iterator[Step | Episode]:
    """Play the episodes 0..episodes-1 of `seed`, every one to its end.

    Each goes to the first free environment (autoreset NEXT_STEP, partial resets with a reset_mask);
    an environment without an episode stands still where its group may, else idles at no-op, and
    the player is not asked about it. So the list is unbiased by episode length. Yields every Step,
    then the Episodes that it ended.

    position: where to begin, the start of episode `given` if no environment plays; it moves along
    and is true whenever a Step is told. Emulators are brought there by the recorded actions alone.
    """
    fleet = envs if isinstance(envs, Fleet) else Fleet([envs])
    games = _Games(fleet, position or Position(), episodes, seed, epsilon, max_steps)
    while (rows := games.playing()).size:
        assert fleet.obs is not None
        shown, first = fleet.obs[rows], games.lengths[rows] == 0
        decision = player.decide(shown, first, rows)
        ended = games.step(rows, decision.actions)
        yield Step(shown, decision, ended)
        yield from ended


class _Games:
    """Which environment plays which episode, and what it has brought so far."""

    def __init__(
        self,
        fleet: Fleet,
        position: Position,
        episodes: int,
        seed: int,
        epsilon: float,
        max_steps: int,
    ) -> None:
        self.fleet, self.at, self.seed = fleet, position, seed
        self.epsilon, self.max_steps = epsilon, max_steps
        self.roster = Roster(episodes, position.given)
        self.draws: dict[int, EpsilonDraws] = {}
        self.returns = np.zeros(fleet.num_envs)
        self.lengths = np.zeros(fleet.num_envs, dtype=np.int64)
        if not position.index:
            position.index = [self._next() for _ in range(fleet.num_envs)]
            position.actions = [bytearray() for _ in range(fleet.num_envs)]
        self._catch_up()

    def playing(self) -> np.ndarray:
        """The environments with an episode on."""
        return np.flatnonzero(np.array(self.at.index) >= 0)

    def step(self, rows: np.ndarray, chosen: np.ndarray) -> tuple[Episode, ...]:
        """Play what was chosen, but for epsilon; the episodes that end are replaced by others."""
        pairs = zip(rows.tolist(), chosen.tolist(), strict=True)
        actions = [self.draws[r].replace(int(self.lengths[r]), action) for r, action in pairs]
        for row, action in zip(rows.tolist(), actions, strict=True):
            self.at.actions[row].append(action)
        terminated, truncated = self._play(rows, np.array(actions, dtype=np.int64))
        over = terminated | truncated
        ended = []
        for row, cut in zip(rows[over].tolist(), (truncated & ~terminated)[over], strict=True):
            episode, length = self.at.index[row], int(self.lengths[row])
            ended.append(Episode(episode, float(self.returns[row]), length, bool(cut)))
            self.at.index[row] = self._next()
        freed = rows[over]
        if (again := freed[np.array(self.at.index)[freed] >= 0]).size:
            self._begin(again)
        return tuple(ended)

    def _play(self, rows: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        reward, terminated, truncated = self.fleet.step(rows, actions)
        self.returns[rows] += reward
        self.lengths[rows] += 1
        return terminated, truncated

    def _next(self) -> int:
        index = self.roster.draw()
        if index is None:
            return -1
        self.at.given = index + 1
        return index

    def _begin(self, rows: np.ndarray) -> None:
        """Start the episodes of these rows, with nothing played in them."""
        index = np.array(self.at.index)[rows].tolist()
        self.fleet.reset(rows, np.array([env_seed(self.seed, i) for i in index]))
        for row, episode in zip(rows.tolist(), index, strict=True):
            self.draws[row] = EpsilonDraws(
                self.seed, episode, epsilon=self.epsilon, num_actions=self.fleet.num_actions,
                max_steps=self.max_steps,
            )  # fmt: skip
            self.at.actions[row] = bytearray()
        self.returns[rows], self.lengths[rows] = 0.0, 0

    def _catch_up(self) -> None:
        """Begin all episodes so that they reach their places together: a neighbour that has none
        yet may idle, one that stands at its place may not."""
        played, rows = self.at.actions.copy(), self.playing()
        lengths = np.array([len(played[row]) for row in rows.tolist()], dtype=np.int64)
        longest = int(lengths.max(initial=0))
        for left in range(longest, -1, -1):
            if (starting := rows[lengths == left]).size:
                self._begin(starting)
            if left and (moving := rows[lengths >= left]).size:
                actions = [played[row][-left] for row in moving.tolist()]
                self._play(moving, np.array(actions, dtype=np.int64))
        self.at.actions = played
