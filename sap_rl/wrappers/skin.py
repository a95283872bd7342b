"""What the wrappers share: building the adversary, spaces, and moving arrays in and out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from sap_rl.agents import Agent
from sap_rl.atari.pixels import PIXEL_MAX
from sap_rl.atari.protocol import Frames, Observation
from sap_rl.attacks import attack_options, make_attack
from sap_rl.attacks.adversary import Adversary, Attacked
from sap_rl.attacks.gradients import default_grad_samples
from sap_rl.attacks.threat import Threat
from sap_rl.errors import UsageError
from sap_rl.types import QFunction


class Skin:
    """An adversary that speaks numpy.

    victim: an Agent or a QFunction; space: the environment's observation space for one
    environment, a Box of pixels [K, H, W]; other options as in `AdversarialObservation`.
    """

    def __init__(
        self,
        victim: Agent | QFunction,
        space: spaces.Space[Any],
        *,
        attack: str,
        lam: float,
        observation: Observation,
        frames: Frames,
        seed: int,
        options: dict[str, Any],
    ) -> None:
        self.device = victim.device if isinstance(victim, Agent) else torch.device("cpu")
        q = victim.q_function if isinstance(victim, Agent) else victim
        threat = Threat(lam, frames, observation)
        box = _pixel_box(space)
        if "grad_samples" in attack_options(attack) and "grad_samples" not in options:
            look = torch.full((1, *box.shape), 0.5, device=self.device)
            options = options | {"grad_samples": default_grad_samples(q, look)}
        self.adversary = Adversary(q, make_attack(attack, **options), threat, seed)
        dtype = np.uint8 if observation == "uint8" else np.float32
        self.space = spaces.Box(0, int(PIXEL_MAX), box.shape, dtype)

    def perturb(self, pixels: np.ndarray, first: np.ndarray, rows: list[int]) -> Attacked:
        """Attack numpy frames [B, K, H, W]; `first` [B] and `rows` as in `Adversary.perturb`."""
        tensor = torch.as_tensor(np.ascontiguousarray(pixels)).to(self.device)
        return self.adversary.perturb(tensor, torch.as_tensor(first), rows)


def _pixel_box(space: spaces.Space[Any]) -> spaces.Box:
    pixels = isinstance(space, spaces.Box) and space.dtype in (np.uint8, np.float32)
    if not pixels or len(space.shape or ()) != 3:
        raise UsageError(
            f"observations must be a Box of pixels [K, H, W], uint8 or float32, got {space}; "
            "stack and resize frames before attacking them"
        )
    assert isinstance(space, spaces.Box)
    return space


def facts(attacked: Attacked) -> dict[str, np.ndarray]:
    """What goes into `info`: per environment the distance in pixels and the victim's label."""
    return {"linf": attacked.linf.cpu().numpy(), "label": attacked.label.cpu().numpy()}
