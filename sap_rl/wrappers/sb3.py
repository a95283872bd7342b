"""A Stable-Baselines3 VecEnv whose frames are tampered with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space_channels_first
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from sap_rl.agents import Agent
from sap_rl.atari.protocol import Frames, Norm, Observation
from sap_rl.attacks.names import DEFAULT_ATTACK
from sap_rl.errors import UsageError
from sap_rl.types import QFunction
from sap_rl.wrappers.corrupted_skin import CorruptedSkin
from sap_rl.wrappers.skin import Skin, facts


class AdversarialVecEnv(VecEnvWrapper):
    """Attack every observation of a VecEnv, as `AdversarialObservation` does one.

    venv: observations [N, H, W, K] or [N, K, H, W] in 0..255, e.g. `VecFrameStack`'s; they keep
    their layout. observation: `uint8` by default, for the image policies of Stable-Baselines3 take
    nothing else. Other arguments and errors as in `AdversarialObservation`. `seed` also reseeds the
    attacker, at the next reset. `infos[i]["adversary"]` holds `linf` in pixels and `label`, and
    `infos[i]["terminal_observation"]` is attacked like any other.
    """

    def __init__(
        self,
        venv: VecEnv,
        victim: Agent | QFunction | Any,
        *,
        attack: str = DEFAULT_ATTACK,
        lam: float = 4.0,
        observation: Observation = "uint8",
        frames: Frames = "all",
        norm: Norm = "linf",
        seed: int = 0,
        **options: Any,
    ) -> None:
        self.skin: Skin | CorruptedSkin = Skin(
            victim,
            self._frames_first(venv),
            venv.action_space,
            attack=attack,
            lam=lam,
            observation=observation,
            frames=frames,
            norm=norm,
            seed=seed,
            options=options,
        )
        self._wrap(venv)

    def _frames_first(self, venv: VecEnv) -> spaces.Box:
        """The space of one environment's observations with their frames first."""
        space = venv.observation_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 3:
            raise UsageError(
                "observations must be stacked pixels [H, W, K] or [K, H, W], got "
                f"{' '.join(str(space).split())}"
            )
        self.channels_first = is_image_space_channels_first(space)
        return spaces.Box(self._first(space.low), self._first(space.high), dtype=space.dtype)

    def _wrap(self, venv: VecEnv) -> None:
        self._seed: int | None = None
        shape, dtype = venv.observation_space.shape, self.skin.space.dtype
        VecEnvWrapper.__init__(self, venv, spaces.Box(0, 255, shape, dtype))

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed the environments and, if there is a number, the attacker, from the next reset on."""
        self._seed = seed
        seeds: Sequence[int | None] = self.venv.seed(seed)
        return seeds

    def reset(self) -> np.ndarray:
        """Reset all environments."""
        obs: Any = self.venv.reset()
        if self._seed is not None:
            self.skin.reseed(self._seed)
            self._seed = None
        everyone = np.ones(self.num_envs, np.bool_)
        tampered, self.reset_infos = self._tampered(obs, everyone, self.venv.reset_infos)
        return tampered

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Finish a step; only observations differ from the environments'.

        What follows an episode's end is the first observation of a new one.
        """
        obs: Any
        obs, rewards, dones, given = self.venv.step_wait()
        infos = [dict(info) for info in given]
        for row in np.flatnonzero(dones):
            if "terminal_observation" in infos[row]:
                infos[row]["terminal_observation"] = self._last(infos[row], int(row))
        tampered, infos = self._tampered(obs, dones, infos)
        return tampered, rewards, dones, infos

    def _last(self, info: dict[str, Any], row: int) -> np.ndarray:
        last = self._first(info["terminal_observation"])[None]
        attacked = self.skin.perturb(last, np.zeros(1, np.bool_), [row])
        return self._back(attacked.pixels[0].cpu().numpy())

    def _tampered(
        self, obs: np.ndarray, first: np.ndarray, infos: Sequence[dict[str, Any]]
    ) -> tuple[np.ndarray, list[dict[str, Any]]]:
        attacked = self.skin.perturb(
            np.moveaxis(obs, -1, 1) if not self.channels_first else obs,
            first,
            list(range(self.num_envs)),
        )
        found = facts(attacked)
        noted = [
            info | {self.skin.title: {name: values[row] for name, values in found.items()}}
            for row, info in enumerate(infos)
        ]
        return np.stack([self._back(one) for one in attacked.pixels.cpu().numpy()]), noted

    def _first(self, one: np.ndarray) -> np.ndarray:
        """One observation with its frames first."""
        return one if self.channels_first else np.moveaxis(one, -1, 0)

    def _back(self, one: np.ndarray) -> np.ndarray:
        """One observation as the environments lay it out."""
        return one if self.channels_first else np.moveaxis(one, 0, -1)


class CorruptedVecEnv(AdversarialVecEnv):
    """Spoil every frame of a VecEnv, as `CorruptedObservation` does one environment's.

    venv: observations uint8 [N, H, W, K] or [N, K, H, W]; they keep their layout.
    `infos[i]["camera"]` holds `linf` in pixels.
    """

    def __init__(
        self, venv: VecEnv, corruption: str, severity: float, *, seed: int = 0
    ) -> None:  # fmt: skip
        space = self._frames_first(venv)
        self.skin = CorruptedSkin(space, corruption=corruption, severity=severity, seed=seed)
        self._wrap(venv)
