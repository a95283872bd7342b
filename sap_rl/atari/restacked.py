"""Frames stacked here and not in the emulator, for what its own stack cannot show."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np
from ale_py.vector_env import AtariVectorEnv
from gymnasium import spaces
from gymnasium.vector.utils import batch_space

from sap_rl.atari.preprocess import Preprocess
from sap_rl.atari.screen import Lens


@runtime_checkable
class Camera(Protocol):
    """Spoils pictures on their way to an agent; see `corruptions.camera.Camera`.

    on_screen: in that environment's episode it acts on the emulator's whole screen [H, W] or
    [H, W, 3], else on frames [h, w] or [h, w, 3] as an agent has them; wants_screen: whether it
    ever does.
    """

    @property
    def wants_screen(self) -> bool: ...

    def on_screen(self, row: int, /) -> bool: ...

    def require_fit(self, size: tuple[int, int], /) -> None: ...

    def begin(self, row: int, seed: int | None = None, /) -> None: ...

    def show(self, row: int, picture: np.ndarray, /) -> np.ndarray: ...


class RestackedAtari(gymnasium.vector.VectorWrapper):
    """An AtariVectorEnv that gives one picture at a time, seen through a Lens and stacked.

    The same contract: uint8 observations [num_envs, K, H, W], oldest frame first, fresh arrays;
    autoreset NEXT_STEP; `reset(seed=array, options={"reset_mask": mask})` starts some of them.
    lens: None where the emulator's own pictures are right as they are. camera: spoils what is
    observed; `info["clean"]` then holds the observations as they would be without it.
    """

    def __init__(
        self,
        envs: AtariVectorEnv,
        preprocess: Preprocess,
        lens: Lens | None,
        camera: Camera | None = None,
    ) -> None:
        super().__init__(envs)
        self.preprocess, self.lens, self.camera = preprocess, lens, camera
        self.single_observation_space = spaces.Box(0, 255, preprocess.shape, np.uint8)
        self.observation_space = batch_space(self.single_observation_space, envs.num_envs)
        if preprocess.first_actions:
            self.single_action_space = spaces.Discrete(preprocess.first_actions)
            self.action_space = batch_space(self.single_action_space, envs.num_envs)
        self._stack = np.zeros((envs.num_envs, *preprocess.shape), np.uint8)
        self._seen = self._stack.copy()
        self._done = np.zeros(envs.num_envs, np.bool_)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Reset all or, with a reset_mask, some; the others' stacks stay as they are."""
        everyone = np.ones(self.num_envs, np.bool_)
        mask = np.array((options or {}).get("reset_mask", everyone))
        pictures, info = self.env.reset(seed=seed, options=options)
        rows = np.flatnonzero(mask)
        self._show(pictures, rows, _with_seeds(rows.tolist(), seed))
        self._done[mask] = False
        return self._observed(info)

    def step(
        self, actions: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Play one action in each; the step after an end begins the next episode."""
        pictures, reward, terminated, truncated, info = self.env.step(actions)
        begins = dict.fromkeys(np.flatnonzero(self._done).tolist())
        self._show(pictures, np.arange(self.num_envs), begins)
        self._done = terminated | truncated
        obs, info = self._observed(info)
        return obs, reward, terminated, truncated, info

    def _observed(self, info: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
        if self.camera is None:
            return self._stack.copy(), info
        return self._seen.copy(), info | {"clean": self._stack.copy()}

    def _show(self, pictures: np.ndarray, rows: np.ndarray, begins: dict[int, int | None]) -> None:
        """Put the newest of the emulator's pictures on the stacks of these rows; begins: rows where
        an episode does, with the seed of its reset."""
        newest = pictures[rows, -1]
        frames = self._frames(newest)
        self._stack[rows] = self._pushed(self._stack, frames, rows, begins)
        if self.camera is None:
            return
        for row, seed in begins.items():
            self.camera.begin(row, seed)
        seen = self._through(self.camera, newest, frames, rows.tolist())
        self._seen[rows] = self._pushed(self._seen, seen, rows, begins)

    def _through(
        self, camera: Camera, pictures: np.ndarray, frames: np.ndarray, rows: list[int]
    ) -> np.ndarray:
        """The newest frames [n, planes, H, W] of these rows as the camera shows them."""
        grey = self.preprocess.planes == 1
        seen = np.empty_like(frames)
        screens = {}
        for i, row in enumerate(rows):
            if camera.on_screen(row):
                screens[i] = camera.show(row, pictures[i])
            else:
                frame = frames[i, 0] if grey else np.moveaxis(frames[i], 0, -1)
                shown = camera.show(row, frame)
                seen[i] = shown if grey else np.moveaxis(shown, -1, 0)
        if screens:
            seen[list(screens)] = self._frames(np.stack(list(screens.values())))
        return seen

    def _pushed(
        self, stack: np.ndarray, frames: np.ndarray, rows: np.ndarray, begins: dict[int, int | None]
    ) -> np.ndarray:
        """These rows' stacks with their newest frames [n, planes, H, W] on them."""
        planes = self.preprocess.planes
        pushed = np.concatenate([stack[rows][:, planes:], frames], 1)
        first = np.isin(rows, list(begins))
        repeated = np.tile(frames[first], (1, self.preprocess.frames, 1, 1))
        pushed[first] = repeated if self.preprocess.fill == "repeat" else 0
        pushed[first, -planes:] = frames[first]
        return pushed

    def _frames(self, newest: np.ndarray) -> np.ndarray:
        """The newest frames [n, planes, H, W], of the emulator's newest pictures."""
        seen = newest if self.lens is None else self.lens(newest)
        return seen if seen.ndim == 4 else seen[:, None]


def _with_seeds(rows: list[int], seed: Any) -> dict[int, int | None]:
    """The seed of each of these rows at a reset; one number alone counts up, as the emulator's."""
    if seed is None:
        return dict.fromkeys(rows)
    seeds = range(int(seed), int(seed) + len(rows)) if np.ndim(seed) == 0 else list(seed)
    return {row: None if s is None else int(s) for row, s in zip(rows, seeds, strict=False)}
