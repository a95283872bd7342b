"""Play a fixed list of episodes to their ends, whoever plays, and tell what happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from sap_rl.atari.fleet import Fleet, VectorEnv
from sap_rl.evaluation.episodes import EpsilonDraws, Roster, env_seed
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
class Step:
    """One step of every environment that still plays: what it showed and what was decided.

    played [n]: the actions after epsilon; reward [n]: what they earned. None where nobody says.
    """

    pixels: PixelArray
    decision: Decision
    played: ActionArray | None = None
    reward: np.ndarray | None = None


@dataclass(frozen=True)
class Episode:
    """A finished episode; truncated: the cap on frames ended it, not the game."""

    index: int
    ret: float
    length: int
    truncated: bool


def rollout(
    envs: Fleet | VectorEnv,
    player: Player,
    *,
    episodes: int,
    seed: int,
    epsilon: float,
    max_steps: int,
) -> Iterator[Step | Episode]:
    """Play the episodes 0..episodes-1 of `seed`, every one to its end.

    Each goes to the first free environment (autoreset NEXT_STEP, partial resets with a reset_mask);
    an environment without an episode stands still where its group may, else idles at no-op, and
    the player is not asked about it. So the list is unbiased by episode length. Yields every Step,
    then the Episodes that it ended.
    """
    fleet = envs if isinstance(envs, Fleet) else Fleet([envs])
    roster = Roster(episodes)
    index = np.array([-1 if (i := roster.draw()) is None else i for _ in range(fleet.num_envs)])
    draws: dict[int, EpsilonDraws] = {}
    returns, lengths = np.zeros(fleet.num_envs), np.zeros(fleet.num_envs, dtype=np.int64)
    first = np.zeros(fleet.num_envs, dtype=np.bool_)

    def begin(rows: np.ndarray) -> None:
        seeds = np.array([env_seed(seed, int(i)) for i in index[rows]])
        fleet.reset(rows, seeds)
        for row in rows.tolist():
            draws[row] = EpsilonDraws(
                seed, int(index[row]), epsilon=epsilon, num_actions=fleet.num_actions,
                max_steps=max_steps,
            )  # fmt: skip
        returns[rows], lengths[rows], first[rows] = 0.0, 0, True

    if (rows := np.flatnonzero(index >= 0)).size:
        begin(rows)
    while (rows := np.flatnonzero(index >= 0)).size:
        assert fleet.obs is not None
        shown = fleet.obs[rows]
        decision = player.decide(shown, first[rows], rows)
        chosen = zip(rows.tolist(), decision.actions.tolist(), strict=True)
        actions = [draws[row].replace(int(lengths[row]), action) for row, action in chosen]
        played = np.array(actions, dtype=np.int64)
        reward, terminated, truncated = fleet.step(rows, played)
        returns[rows] += reward
        lengths[rows] += 1
        first[rows] = False
        yield Step(shown, decision, played, reward)
        ended = terminated | truncated
        for row, cut in zip(rows[ended], (truncated & ~terminated)[ended], strict=True):
            yield Episode(int(index[row]), float(returns[row]), int(lengths[row]), bool(cut))
            index[row] = -1 if (i := roster.draw()) is None else i
        if (again := rows[ended & (index[rows] >= 0)]).size:
            begin(again)
