"""Which frames' greedy actions are certified, and up to which lambda."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from sap_rl.atari.protocol import Norm
from sap_rl.certification.layers import Affine, affine_chain
from sap_rl.certification.linear import Box, LinearBounds
from sap_rl.errors import UsageError
from sap_rl.networks.adapt import AsTrained
from sap_rl.pixels import lam_to_eps
from sap_rl.types import UnitFrames

BATCH = 4
"""Frames at once; units of all layers are followed in parts of their own."""
ROUNDING = 1e-4
"""By how much of its largest bound on a frame a margin must be below zero, for float32 rounds: on
the shipped agents float64 gave bounds that differ by less than a tenth of this."""
LARGEST = 8.0
"""The lambda, in pixels, up to which a frame's radius is looked for."""
BISECTIONS = 8


class Certifier:
    """Decides for frames of one network; UsageError where it has a layer without a rule."""

    norm: ClassVar[Norm] = "linf"

    def __init__(self, module: nn.Module, shape: tuple[int, ...]) -> None:
        self.module = module
        self.view = module.seen if isinstance(module, AsTrained) else None
        inner = module.network if isinstance(module, AsTrained) else module
        seen = self._seen(torch.zeros(1, *shape, device=_device(module)))
        self.chain: list[Affine] = affine_chain(inner, tuple(seen.shape[1:]))

    def actions(self, obs: UnitFrames) -> Tensor:
        """The greedy action [B] on frames [B, K, H, W]."""
        with torch.no_grad():
            values: Tensor = self.module(obs)
        return values.argmax(1)

    def certified(self, obs: UnitFrames, eps: float | Tensor) -> Tensor:
        """Whether [B] no change within eps (unit scale, one or [B]) can alter the greedy action on
        frames [B, K, H, W]; the changed frames stay within 0..1."""
        eps = torch.as_tensor(eps, device=obs.device, dtype=obs.dtype).reshape(-1, 1, 1, 1)
        label = self.actions(obs)
        with torch.no_grad():
            low, high = (obs - eps).clamp(0, 1), (obs + eps).clamp(0, 1)
            bounds = LinearBounds(self.chain, Box(self._seen(low), self._seen(high)))
            margins = bounds.margins(label)
            others = margins.scatter(1, label[:, None], -torch.inf).amax(1)
            return others < -ROUNDING * margins.abs().amax(1)

    def shares(self, frames: UnitFrames, lam: float) -> Iterator[Tensor]:
        """`certified` at lambda for frames [N, K, H, W], a part at a time."""
        for obs in torch.split(frames, BATCH) if len(frames) else ():
            yield self.certified(obs, lam_to_eps(lam))

    def radii(self, frames: UnitFrames) -> Iterator[Tensor]:
        """The largest lambda at which each frame was found certified, in pixels up to LARGEST, by
        bisection; a part at a time."""
        for obs in torch.split(frames, BATCH):
            low, high = (torch.full((len(obs),), end, device=obs.device) for end in (0.0, LARGEST))
            for _ in range(BISECTIONS):
                middle = (low + high) / 2
                kept = self.certified(obs, middle * lam_to_eps(1.0))
                low, high = torch.where(kept, middle, low), torch.where(kept, high, middle)
            yield low

    def _seen(self, obs: UnitFrames) -> Tensor:
        """Frames as the layers take them: in their order and scale, which keep a box a box."""
        return obs if self.view is None else self.view(obs)


def _device(module: nn.Module) -> torch.device:
    """Where a network's parameters are; UsageError for one that has none."""
    for parameter in module.parameters():
        return parameter.device
    raise UsageError(f"no bounds for {type(module).__name__}: it has no layers")
