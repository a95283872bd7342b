"""What the attacker may do, and the referee who checks that nothing more was done."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from sap_rl.atari.protocol import Frames, Norm, Observation
from sap_rl.errors import UsageError, unknown
from sap_rl.pixels import PIXEL_MAX, check_budget, lam_to_eps, to_pixels
from sap_rl.types import PerExample, Pixels, UnitFrames

TOLERANCE = 1e-3
"""Pixels by which float rounding may exceed the budget before the referee objects."""


class ThreatViolation(UsageError, RuntimeError):  # noqa: N818 (it names what was found)
    """Raised where frames that an agent was about to receive are outside the threat model."""


class Distance(NamedTuple):
    """Between tampered and clean frames, in pixels: linf [B], the largest change; mean [B], the
    mean absolute one over all pixels."""

    linf: PerExample
    mean: PerExample


@dataclass(frozen=True)
class Threat:
    """A budget of `lam` pixel units (0..255) on every step.

    frames: `all` of the stack, or the `newest` only, where earlier perturbations stay in the
    stack; observation: tampered frames arrive as `float` (float32) or `uint8` (rounded towards the
    clean frame); norm: lam bounds the change of every pixel (`linf`), or the root mean square of
    the changes of all pixels that the attacker may touch (`l2`: the Euclidean norm over the root of
    their number, so that a `linf` attack fits into the `l2` ball of the same lam). Raises
    UsageError for another word, and as `check_budget` does.
    """

    lam: float
    frames: Frames = "all"
    observation: Observation = "float"
    norm: Norm = "linf"
    eps: float = field(init=False)

    def __post_init__(self) -> None:
        for name, words in (("frames", Frames), ("observation", Observation), ("norm", Norm)):
            if getattr(self, name) not in get_args(words):
                raise unknown(name, getattr(self, name), get_args(words))
        check_budget(self.lam, self.observation, self.norm)
        object.__setattr__(self, "eps", lam_to_eps(self.lam))

    def project(self, adv: UnitFrames, obs: UnitFrames) -> UnitFrames:
        """Frames that the threat allows around `obs`, the nearest to `adv`; under `l2` the nearest
        in the ball, and then in 0..1."""
        delta = adv - obs
        if self.norm == "linf":
            delta = delta.clamp_(-self.eps, self.eps)  # in place: memory is what this costs
        delta = self._touched(delta)
        if self.norm == "l2":
            size = self._rms(delta)
            delta = delta * (self.eps / size.clamp(min=self.eps)).where(size > 0, 1.0)
        return delta.add_(obs).clamp_(0, 1)

    def steepest(self, gradient: UnitFrames) -> UnitFrames:
        """The step of size 1 that rises fastest along a gradient: its signs, or under `l2` the
        gradient over its root mean square. A zero gradient stays zero."""
        if self.norm == "linf":
            return gradient.sign()
        gradient = self._touched(gradient)
        size = self._rms(gradient)
        return gradient / size.where(size > 0, 1.0)

    def random_point(self, obs: UnitFrames, generator: torch.Generator) -> UnitFrames:
        """Frames uniform in the ball around `obs`, those beyond 0..1 pushed back."""
        if self.norm == "linf":
            draws = torch.rand(obs.shape, generator=generator, device=obs.device, dtype=obs.dtype)
            return self.project(obs + self.eps * (2 * draws - 1), obs)
        draws = torch.randn(obs.shape, generator=generator, device=obs.device, dtype=obs.dtype)
        share = torch.rand(len(obs), generator=generator, device=obs.device, dtype=obs.dtype)
        radius = self.eps * share ** (1 / obs[0].numel())
        return self.project(obs + radius.view(-1, 1, 1, 1) * self.steepest(draws), obs)

    def _touched(self, delta: UnitFrames) -> UnitFrames:
        """Changes of the frames that the attacker may touch; 0 in others."""
        if self.frames == "all":
            return delta
        return torch.cat([torch.zeros_like(delta[:, :-1]), delta[:, -1:]], 1)

    def _rms(self, delta: Tensor) -> Tensor:
        """Root mean square [B, 1, 1, 1] over the frames that the attacker may touch."""
        newest = delta[:, -1:] if self.frames == "newest" else delta
        return newest.square().mean((1, 2, 3), keepdim=True).sqrt()

    def deliver(self, adv: Tensor, obs: UnitFrames, given: Pixels) -> Pixels:
        """Attacked unit frames as the agent receives them; untouched pixels stay bit for bit.

        obs: the frames `given` in unit scale. Raises ThreatViolation where `adv` is not float32 in
        0..1 of their shape.
        """
        require_like(adv, obs)
        _require_pixels(adv)
        delta = to_pixels(adv - obs)
        if self.observation == "float":
            return delta.add_(given).clamp_(0, PIXEL_MAX)
        towards_clean = torch.trunc(delta + TOLERANCE * delta.sign())  # 3.99999 is meant as 4
        towards_clean = torch.where(towards_clean.abs() > self.lam, delta.trunc(), towards_clean)
        return (given.float() + towards_clean).clamp(0, PIXEL_MAX).to(torch.uint8)

    def check(self, received: Tensor, given: Pixels, clean: Pixels) -> Distance:
        """The referee: how far what the agent receives is from `clean`.

        given: what the attacker had to work on, `clean` with any earlier perturbations in older
        frames. Raises ThreatViolation with the number for a wrong dtype, NaN, values outside
        0..255, a distance above lam + 1e-3, or a changed frame that was not the attacker's.
        """
        expected = torch.uint8 if self.observation == "uint8" else torch.float32
        if received.dtype != expected:
            raise ThreatViolation(f"frames are {received.dtype}, the threat model says {expected}")
        pixels = received.float()
        low, high = (float(extreme) for extreme in pixels.aminmax())  # NaN is passed on by both
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ThreatViolation(f"{int((~torch.isfinite(pixels)).sum())} pixels are not finite")
        if low < 0 or high > PIXEL_MAX:
            raise ThreatViolation(f"pixels reach {low:g}..{high:g}, outside 0..255")
        moved = (pixels - clean).abs_().flatten(1)
        linf = moved.amax(1)
        spent = linf if self.norm == "linf" else self._rms(pixels - clean).flatten()
        if float(spent.max()) > self.lam + TOLERANCE:
            raise ThreatViolation(
                f"the attack's distance {float(spent.max()):g} exceeds lambda {self.lam:g}"
            )
        if self.frames == "newest":
            older = (pixels - given.float()).flatten(2).abs().amax(2)[:, :-1]  # [B, K - 1]
            if bool((older > TOLERANCE).any()):
                raise ThreatViolation(f"an older frame changed by {float(older.max()):g} pixels")
        return Distance(linf, moved.mean(1))


def require_like(adv: object, obs: Tensor) -> Tensor:
    """What an attack gave, as a tensor without a graph; ThreatViolation where it is none of the
    type, shape and device of the frames that it was given."""
    if not isinstance(adv, Tensor):
        raise ThreatViolation(f"the attack gave a {type(adv).__name__}, no tensor")
    if adv.dtype != obs.dtype or adv.shape != obs.shape:
        raise ThreatViolation(
            f"the attack gave {adv.dtype} {list(adv.shape)}, not {obs.dtype} {list(obs.shape)}"
        )
    if adv.device != obs.device:
        raise ThreatViolation(f"the attack gave frames on {adv.device}, not on {obs.device}")
    return adv.detach()


def _require_pixels(adv: Tensor) -> None:
    """Refuse what an attack gave if its values could be no pixels at all."""
    low, high = (float(to_pixels(extreme)) for extreme in adv.aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        broken = int((~torch.isfinite(adv)).sum())
        raise ThreatViolation(f"the attack gave {broken} pixels that are not finite")
    if low < -TOLERANCE or high > PIXEL_MAX + TOLERANCE:
        raise ThreatViolation(f"the attack's pixels reach {low:g}..{high:g}, outside 0..255")
