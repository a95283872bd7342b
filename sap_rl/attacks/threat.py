"""What the attacker may do, and the referee who checks that nothing more was done."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import get_args

import torch
from torch import Tensor

from sap_rl.atari.pixels import PIXEL_MAX, lam_to_eps, to_pixels, to_unit
from sap_rl.atari.protocol import Frames, Observation
from sap_rl.errors import UsageError, unknown
from sap_rl.types import PerExample, Pixels, UnitFrames

TOLERANCE = 1e-3
"""Pixels by which float rounding may exceed the budget before the referee objects."""


class ThreatViolation(RuntimeError):
    """What an agent was about to receive is outside the threat model."""


@dataclass(frozen=True)
class Threat:
    """An L-infinity budget of `lam` pixel units (0..255) on every step.

    frames: `all` of the stack, or the `newest` only, where earlier perturbations stay in the
    stack; observation: tampered frames arrive as `float` (float32) or `uint8` (rounded towards the
    clean frame). Raises UsageError for a lam that is negative, not finite, or between 0 and 1 with
    uint8, where it could change nothing.
    """

    lam: float
    frames: Frames = "all"
    observation: Observation = "float"
    eps: float = field(init=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lam) and self.lam >= 0):
            raise UsageError(f"lambda must be a number of at least 0 pixel units, got {self.lam}")
        if self.frames not in get_args(Frames):
            raise unknown("frames", self.frames, get_args(Frames))
        if self.observation not in get_args(Observation):
            raise unknown("observation", self.observation, get_args(Observation))
        if self.observation == "uint8" and 0 < self.lam < 1:
            raise UsageError(
                f"lambda {self.lam:g} changes no uint8 pixel; use at least 1, or "
                'observation="float" (--observation float)'
            )
        object.__setattr__(self, "eps", lam_to_eps(self.lam))

    def project(self, adv: UnitFrames, obs: UnitFrames) -> UnitFrames:
        """The nearest frames to `adv` that the threat allows around `obs`."""
        delta = (adv - obs).clamp(-self.eps, self.eps)
        if self.frames == "newest":
            delta = torch.cat([torch.zeros_like(delta[:, :-1]), delta[:, -1:]], 1)
        return (obs + delta).clamp(0, 1)

    def deliver(self, adv: UnitFrames, given: Pixels) -> Pixels:
        """Attacked unit frames as the agent receives them; untouched pixels stay bit for bit."""
        delta = to_pixels(adv - to_unit(given))
        if self.observation == "float":
            return (given.float() + delta).clamp(0, PIXEL_MAX)
        towards_clean = torch.trunc(delta + TOLERANCE * delta.sign())
        return (given.float() + towards_clean).clamp(0, PIXEL_MAX).to(torch.uint8)

    def check(self, received: Pixels, given: Pixels, clean: Pixels) -> PerExample:
        """The referee: L-infinity distance [B] in pixels of what the agent receives to `clean`.

        given: what the attacker had to work on, `clean` with any earlier perturbations in older
        frames. Raises ThreatViolation with the number for a wrong dtype, NaN, values outside
        0..255, a distance above lam + 1e-3, or a changed frame that was not the attacker's.
        """
        expected = torch.uint8 if self.observation == "uint8" else torch.float32
        if received.dtype != expected:
            raise ThreatViolation(f"frames are {received.dtype}, the threat model says {expected}")
        pixels = received.float()
        if not bool(torch.isfinite(pixels).all()):
            raise ThreatViolation(f"{int((~torch.isfinite(pixels)).sum())} pixels are not finite")
        low, high = float(pixels.min()), float(pixels.max())
        if low < 0 or high > PIXEL_MAX:
            raise ThreatViolation(f"pixels reach {low:g}..{high:g}, outside 0..255")
        linf = (pixels - clean.float()).abs().flatten(1).amax(1)
        if float(linf.max()) > self.lam + TOLERANCE:
            raise ThreatViolation(f"distance {float(linf.max()):g} exceeds lambda {self.lam:g}")
        if self.frames == "newest":
            moved = float((pixels - given.float())[:, :-1].abs().max())
            if moved > TOLERANCE:
                raise ThreatViolation(f"an older frame was changed by {moved:g} pixels")
        return linf
