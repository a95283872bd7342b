"""Play a fixed list of episodes to their ends, whoever plays, and tell what happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

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


VectorEnv = Any
"""A gymnasium VectorEnv whose `reset` takes an array of seeds, as AtariVectorEnv does."""


@runtime_checkable
class Player(Protocol):
    """Chooses actions from uint8 pixels [n, K, H, W].

    first [n]: an episode begins here; rows: which environments these are.
    """

    def decide(self, pixels: PixelArray, first: np.ndarray, rows: np.ndarray) -> Decision: ...


@dataclass(frozen=True)
class Step:
    """One step of every environment that still plays: what it showed and what was decided."""

    pixels: PixelArray
    decision: Decision


@dataclass(frozen=True)
class Episode:
    """A finished episode; truncated: the cap on frames ended it, not the game."""

    index: int
    ret: float
    length: int
    truncated: bool


def rollout(
    envs: VectorEnv,
    player: Player,
    *,
    episodes: int,
    seed: int,
    epsilon: float,
    max_steps: int,
) -> Iterator[Step | Episode]:
    """Play the episodes 0..episodes-1 of `seed`, every one to its end.

    Each goes to the first free environment (autoreset NEXT_STEP, partial resets with a reset_mask);
    an environment without an episode idles at no-op and the player is not asked about it. So the
    list is unbiased by episode length. Yields every Step, then the Episodes that it ended.
    """
    num_envs = envs.num_envs
    num_actions = int(envs.single_action_space.n)
    roster = Roster(episodes)
    index = np.array([-1 if (i := roster.draw()) is None else i for _ in range(num_envs)])
    draws = [_draws(seed, int(i), epsilon, num_actions, max_steps) for i in index]
    returns, lengths = np.zeros(num_envs), np.zeros(num_envs, dtype=np.int64)
    obs, _ = envs.reset(seed=np.array([env_seed(seed, int(i)) for i in index]))
    first = np.ones(num_envs, dtype=np.bool_)
    while (rows := np.flatnonzero(index >= 0)).size:
        shown = obs[rows]
        decision = player.decide(shown, first[rows], rows)
        actions = np.zeros(num_envs, dtype=np.int64)
        for row, action in zip(rows, decision.actions.tolist(), strict=True):
            actions[row] = draws[row].replace(int(lengths[row]), action)
        obs, reward, terminated, truncated, _ = envs.step(actions)
        returns[rows] += reward[rows]
        lengths[rows] += 1
        yield Step(shown, decision)
        first = np.zeros(num_envs, dtype=np.bool_)
        for row in rows[(terminated | truncated)[rows]]:
            cut = bool(truncated[row] and not terminated[row])
            yield Episode(int(index[row]), float(returns[row]), int(lengths[row]), cut)
            index[row] = -1 if (i := roster.draw()) is None else i
            draws[row] = _draws(seed, int(index[row]), epsilon, num_actions, max_steps)
            returns[row], lengths[row], first[row] = 0.0, 0, index[row] >= 0
        if first.any():
            seeds = np.array([env_seed(seed, int(i)) for i in index[first]])
            obs, _ = envs.reset(seed=seeds, options={"reset_mask": first})


def _draws(
    seed: int, index: int, epsilon: float, num_actions: int, max_steps: int
) -> EpsilonDraws:  # fmt: skip
    return EpsilonDraws(
        seed, index, epsilon=epsilon, num_actions=num_actions, max_steps=max_steps
    )  # fmt: skip
