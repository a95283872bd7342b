"""A gymnasium vector environment whose frames are tampered with."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from sap_rl.agents import Agent
from sap_rl.atari.protocol import Frames, Observation
from sap_rl.types import QFunction
from sap_rl.wrappers.skin import Skin, facts


class AdversarialVectorObservation(gymnasium.vector.VectorWrapper):
    """Attack every observation of a vector of environments, as `AdversarialObservation` does one.

    envs: observations [N, K, H, W] in 0..255, any autoreset mode, e.g. from `make_atari`.
    Other arguments and errors as in `AdversarialObservation`; `info["adversary"]` holds arrays [N].
    Partial resets (options={"reset_mask": mask}) leave the other environments' frames as they were.
    """

    def __init__(
        self,
        envs: gymnasium.vector.VectorEnv[Any, Any, Any],
        victim: Agent | QFunction,
        *,
        attack: str = "fgsm",
        lam: float = 4.0,
        observation: Observation = "uint8",
        frames: Frames = "all",
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(envs)
        self.skin = Skin(
            victim,
            envs.single_observation_space,
            attack=attack,
            lam=lam,
            observation=observation,
            frames=frames,
            seed=seed,
            options=options,
        )
        self.single_observation_space = self.skin.space
        self.observation_space = batch_space(self.skin.space, envs.num_envs)
        self._mode = envs.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        self._done = np.zeros(envs.num_envs, dtype=np.bool_)
        self._last = np.zeros(self.observation_space.shape or (), self.skin.space.dtype)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Reset all or, with a reset_mask, some; an integer seed also reseeds the attacker."""
        obs, info = self.env.reset(seed=seed, options=options)
        if isinstance(seed, int):
            self.skin.adversary.reseed(seed)
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, dtype=np.bool_))
        self._done[mask] = False
        return self._tampered(obs, info, first=mask, which=mask)

    def step(
        self, actions: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Play one action in each; only the observations differ from the environments'."""
        obs, reward, terminated, truncated, info = self.env.step(actions)
        done = terminated | truncated
        first = done if self._mode == AutoresetMode.SAME_STEP else self._done
        obs, info = self._tampered(obs, info, first=first, which=np.ones_like(done))
        self._done = done
        return obs, reward, terminated, truncated, info

    def _tampered(
        self, obs: np.ndarray, info: dict[str, Any], *, first: np.ndarray, which: np.ndarray
    ) -> tuple[np.ndarray, dict[str, Any]]:
        rows = np.flatnonzero(which)
        attacked = self.skin.perturb(obs[rows], first[rows], rows.tolist())
        self._last[rows] = attacked.pixels.cpu().numpy()
        spread = {}
        for name, values in facts(attacked).items():
            spread[name] = np.zeros(self.num_envs, values.dtype)
            spread[name][rows] = values
        return self._last.copy(), info | {"adversary": spread}
