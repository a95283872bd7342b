"""A gymnasium environment whose frames are tampered with."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium
import numpy as np

from sap_rl.agents import Agent
from sap_rl.atari.protocol import Frames, Norm, Observation
from sap_rl.attacks.names import DEFAULT_ATTACK
from sap_rl.types import QFunction
from sap_rl.wrappers.corrupted_skin import CorruptedSkin
from sap_rl.wrappers.skin import Skin, facts


class AdversarialObservation(
    gymnasium.Wrapper[np.ndarray, Any, np.ndarray, Any], gymnasium.utils.RecordConstructorArgs
):
    """Attack every observation on its way to whoever plays.

    env: observations [K, H, W] in 0..255, e.g. AtariPreprocessing and FrameStackObservation.
    victim: the Agent, a model of Stable-Baselines3 or its network, or the Q-function on unit floats
    [B, K, H, W], that the attack looks at. An Agent or nn.Module with streams of its own gets new
    ones: attacking never moves the player's.
    attack: a name in `ATTACKS`; lam: budget in pixel units; observation: `uint8` (rounded towards
    the clean frame) or `float`; frames: `all` or `newest`; norm: what lam bounds, `linf` or `l2` as
    in `Threat`; seed: of the attacker until a reset brings one; schedule: `every` step,
    `threshold-L`, `rate-L` or `random-L` as in `attacks.schedule`; further options go to the attack
    (steps, objective, grad_samples, ...).
    grad_samples defaults to 10 for a random victim and 1 otherwise.
    `info["adversary"]` holds the distance `linf` in pixels and the victim's `label`.

    Raises UsageError for unusable options, ThreatViolation if an attack exceeds its budget.
    """

    def __init__(
        self,
        env: gymnasium.Env[np.ndarray, Any],
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
        gymnasium.utils.RecordConstructorArgs.__init__(
            self,
            victim=victim,
            attack=attack,
            lam=lam,
            observation=observation,
            frames=frames,
            norm=norm,
            seed=seed,
            _disable_deepcopy=True,
            **options,
        )
        gymnasium.Wrapper.__init__(self, env)
        self.skin: Skin | CorruptedSkin = Skin(
            victim,
            env.observation_space,
            env.action_space,
            attack=attack,
            lam=lam,
            observation=observation,
            frames=frames,
            norm=norm,
            seed=seed,
            options=options,
        )
        self.observation_space = self.skin.space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Reset the environment and, if there is a seed, all of the attacker's randomness."""
        obs, info = self.env.reset(seed=seed, options=options)
        if seed is not None:
            self.skin.reseed(seed)
        return self._tampered(obs, info, first=True)

    def step(self, action: Any) -> tuple[np.ndarray, SupportsFloat, bool, bool, dict[str, Any]]:
        """Play one action; only the observation differs from the environment's."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        obs, info = self._tampered(obs, info, first=False)
        return obs, reward, terminated, truncated, info

    def _tampered(
        self, obs: np.ndarray, info: dict[str, Any], *, first: bool
    ) -> tuple[np.ndarray, dict[str, Any]]:
        attacked = self.skin.perturb(obs[None], np.array([first]), [0])
        one = {name: values[0] for name, values in facts(attacked).items()}
        return attacked.pixels[0].cpu().numpy(), info | {self.skin.title: one}


class CorruptedObservation(AdversarialObservation):
    """Spoil every frame on its way to whoever plays, as a bad camera does.

    env: observations uint8 [K, H, W] in 0..255, grey, e.g. AtariPreprocessing and
    FrameStackObservation. corruption: a name in `CORRUPTIONS`; severity: in its own unit; seed: of
    its draws until a reset brings one. A wrapper sees frames alone: what acts on the whole screen
    in an evaluation acts on the frames here, and its pixels are theirs; `make_atari(camera=...)`
    spoils the screen. `info["camera"]` holds the distance `linf` in pixels.

    Raises UsageError for unusable options.
    """

    def __init__(
        self,
        env: gymnasium.Env[np.ndarray, Any],
        corruption: str,
        severity: float,
        *,
        seed: int = 0,
    ) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(
            self, corruption=corruption, severity=severity, seed=seed
        )
        gymnasium.Wrapper.__init__(self, env)
        self.skin = CorruptedSkin(
            env.observation_space, corruption=corruption, severity=severity, seed=seed
        )
        self.observation_space = self.skin.space
