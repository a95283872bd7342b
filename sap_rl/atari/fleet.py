"""Vector environments as one, of which those without a game on stand still."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sap_rl.atari.env import make_atari
from sap_rl.atari.protocol import Preprocess, Protocol
from sap_rl.atari.restacked import Camera

VectorEnv = Any
"""A gymnasium VectorEnv whose `reset` takes an array of seeds and a reset_mask, autoreset
NEXT_STEP, as AtariVectorEnv; where it has `send` and `recv`, its neighbours step meanwhile."""

GROUP = 2
"""Emulators per vector environment of `make_fleet`: one alone costs a tenth more per step, many
together are stepped on for the sake of the last that plays."""


class Fleet:
    """Environments 0..num_envs-1 in groups; a step costs only the groups that hold its rows.

    obs [num_envs, K, H, W] uint8: what each showed last, without its camera where it has one; seen:
    what the cameras show, None without any.
    """

    def __init__(self, groups: Sequence[VectorEnv]) -> None:
        self.groups = tuple(groups)
        ends = np.cumsum([group.num_envs for group in groups]).tolist()
        self._spans = [slice(b - g.num_envs, b) for b, g in zip(ends, groups, strict=True)]
        self._started = [False] * len(groups)
        self.num_envs: int = ends[-1]
        self.num_actions = int(groups[0].single_action_space.n)
        self.obs: np.ndarray | None = None
        self.seen: np.ndarray | None = None

    def reset(self, rows: np.ndarray, seeds: np.ndarray) -> None:
        """Start the games of these seeds in these rows; the others stay as they are."""
        mask, every = np.zeros(self.num_envs, np.bool_), np.zeros(self.num_envs, np.int64)
        mask[rows], every[rows] = True, seeds
        for i, (group, span) in enumerate(zip(self.groups, self._spans, strict=True)):
            if not mask[span].any():
                continue
            if self._started[i]:
                options = {"reset_mask": mask[span]}
                found = group.reset(seed=every[span][mask[span]], options=options)
            else:  # the first reset is whole; what plays in other rows is nobody's game
                found = group.reset(seed=every[span])
                self._started[i] = True
            self._show(span, *found)

    def step(
        self, rows: np.ndarray, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Play one action in each of these rows: reward, terminated, truncated [len(rows)]."""
        plays, every = np.zeros(self.num_envs, np.bool_), np.zeros(self.num_envs, np.int64)
        plays[rows], every[rows] = True, actions
        pairs = zip(self.groups, self._spans, strict=True)
        busy = [(group, span) for group, span in pairs if plays[span].any()]
        for group, span in busy:
            if hasattr(group, "send"):
                group.send(every[span])
        reward = np.zeros(self.num_envs)
        terminated, truncated = np.zeros((2, self.num_envs), np.bool_)
        for group, span in busy:
            found = group.recv() if hasattr(group, "send") else group.step(every[span])
            shown, reward[span], terminated[span], truncated[span], info = found
            self._show(span, shown, info)
        return reward[rows], terminated[rows], truncated[rows]

    def close(self) -> None:
        """Close every environment."""
        for group in self.groups:
            group.close()

    def _show(self, span: slice, shown: np.ndarray, info: Mapping[str, Any]) -> None:
        if self.obs is None:
            self.obs = np.zeros((self.num_envs, *shown.shape[1:]), shown.dtype)
        clean = info.get("clean")
        if clean is None:
            self.obs[span] = shown
            return
        if self.seen is None:
            self.seen = np.zeros_like(self.obs)
        self.obs[span], self.seen[span] = clean, shown


def make_fleet(
    game: str,
    num_envs: int,
    *,
    protocol: Protocol,
    preprocess: Preprocess,
    camera: Callable[[], Camera] | None = None,
) -> Fleet:
    """`num_envs` of `make_atari`'s emulators, each group on a thread of its own; camera: makes the
    camera of a group."""
    sizes = [min(GROUP, num_envs - at) for at in range(0, num_envs, GROUP)]
    return Fleet(
        [
            make_atari(
                game, size, protocol=protocol, preprocess=preprocess, num_threads=1,
                camera=None if camera is None else camera(),
            )
            for size in sizes
        ]
    )  # fmt: skip
