"""A gymnasium vector environment whose frames are tampered with."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from sap_rl.agents import Agent
from sap_rl.atari.protocol import Frames, Norm, Observation
from sap_rl.attacks.names import DEFAULT_ATTACK
from sap_rl.types import QFunction
from sap_rl.wrappers.corrupted_skin import CorruptedSkin
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
        super().__init__(envs)
        skin = Skin(
            victim,
            envs.single_observation_space,
            envs.single_action_space,
            attack=attack,
            lam=lam,
            observation=observation,
            frames=frames,
            norm=norm,
            seed=seed,
            options=options,
        )
        self._put_on(skin)

    def _put_on(self, skin: Skin | CorruptedSkin) -> None:
        """Let the skin tamper with what these environments show."""
        self.skin = skin
        self.single_observation_space = skin.space
        self.observation_space = batch_space(skin.space, self.num_envs)
        self._mode = _autoreset_mode(self.env)
        self._done = np.zeros(self.num_envs, dtype=np.bool_)
        self._last = np.zeros(self.observation_space.shape or (), self.skin.space.dtype)

    def reset(
        self,
        *,
        seed: int | list[int | None] | np.ndarray | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Reset all or, with a reset_mask, some; a seed for all also reseeds the attacker."""
        everyone = np.ones(self.num_envs, dtype=np.bool_)
        mask = (options or {}).get("reset_mask", everyone)  # some environments pop it on reset
        obs, info = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        first_seed = None if seed is None else np.ravel(np.asarray(seed, dtype=object))[0]
        if first_seed is not None and mask.all():
            self.skin.reseed(int(first_seed))
        self._done[mask] = False
        return self._tampered(obs, info, first=mask, which=mask)

    def step(
        self, actions: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Play one action in each; only the observations differ from the environments'."""
        obs, reward, terminated, truncated, info = self.env.step(actions)
        done = terminated | truncated
        first = self._done
        if self._mode == AutoresetMode.SAME_STEP:
            first = done
            if done.any():
                info = info | {"final_obs": self._final(info["final_obs"], done)}
        obs, info = self._tampered(obs, info, first=first, which=np.ones_like(done))
        self._done = done
        return obs, reward, terminated, truncated, info

    def _final(self, clean: np.ndarray, done: np.ndarray) -> np.ndarray:
        """The last observations of ended episodes as the attacker leaves them, None elsewhere."""
        rows = np.flatnonzero(done)
        last = np.stack([clean[row] for row in rows])
        attacked = self.skin.perturb(last, np.zeros(len(rows), dtype=np.bool_), rows.tolist())
        final = np.full(self.num_envs, None, dtype=object)
        for row, pixels in zip(rows, attacked.pixels.cpu().numpy(), strict=True):
            final[row] = pixels
        return final

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
        return self._last.copy(), info | {self.skin.title: spread}


class CorruptedVectorObservation(AdversarialVectorObservation):
    """Spoil every frame of a vector of environments, as `CorruptedObservation` does one's.

    envs: observations uint8 [N, K, H, W], any autoreset mode; `info["camera"]` holds arrays [N].
    """

    def __init__(
        self,
        envs: gymnasium.vector.VectorEnv[Any, Any, Any],
        corruption: str,
        severity: float,
        *,
        seed: int = 0,
    ) -> None:
        gymnasium.vector.VectorWrapper.__init__(self, envs)
        space = envs.single_observation_space
        self._put_on(CorruptedSkin(space, corruption=corruption, severity=severity, seed=seed))


def _autoreset_mode(envs: gymnasium.vector.VectorEnv[Any, Any, Any]) -> AutoresetMode:
    """The environment's own mode: ale-py's share one `metadata`, where the last one made wins."""
    mode = getattr(envs.unwrapped, "autoreset_mode", envs.metadata.get("autoreset_mode"))
    return AutoresetMode.NEXT_STEP if mode is None else AutoresetMode(mode)
