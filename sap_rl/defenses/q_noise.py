"""Gaussian noise on action values: the control that a random defence must beat."""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from sap_rl.defenses.activations import copies_of
from sap_rl.defenses.defended import Defense, RandomDefended, defended_parts
from sap_rl.errors import UsageError
from sap_rl.schema import Option


class QNoise(RandomDefended):
    """A network with noise of standard deviation `sigma` added to its outputs, see `q_noise`."""

    def __init__(self, module: nn.Module, sigma: float, seed: int | None) -> None:
        super().__init__(module, seed)
        self.sigma = sigma
        self._inside_is_random: bool | None = None

    @property
    def sampler_version(self) -> str:
        """The way the noise is drawn, with a version."""
        return "gaussian/1"

    def folded_passes(self, obs: Tensor, samples: int) -> Tensor:
        """n passes over obs [B, ...] folded into the batch [n * B, A]; the network's part is made
        once, unless it is random itself."""
        if self._inside_is_random is None:
            self._inside_is_random = self._look_inside(obs)
        if self._inside_is_random:
            return self.forward(copies_of(obs, samples))
        return self._noisy(copies_of(self.module(obs), samples))

    def _look_inside(self, obs: Tensor) -> bool:
        if any(part.stochastic for part in defended_parts(self.module)):
            return True
        with torch.no_grad():
            return not torch.equal(self.module(obs), self.module(obs))

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._noisy(self.module(*args, **kwargs))

    def _noisy(self, q: Tensor) -> Tensor:
        return q + self.sigma * self.stream.normal(tuple(q.shape), q.device).to(q.dtype)

    def extra_repr(self) -> str:
        return f"sigma={self.sigma:g}"


def q_noise(
    module: nn.Module,
    *,
    sigma: Annotated[float, Option("standard deviation of the noise", unit="Q")],
    seed: int | None = None,
) -> QNoise:
    """Add independent N(0, sigma^2) to every action value in every pass, train and eval alike.

    Flips near-ties at random and nothing else, as a random defence does among other things. Shares
    the module's Parameters and buffers. sigma in the units of Q; UsageError below 0 or not finite.
    """
    if not (math.isfinite(sigma) and sigma >= 0):
        raise UsageError(f"sigma must be a number of at least 0, got {sigma}")
    return QNoise(module, sigma, seed)


DEFENSE = Defense(q_noise, QNoise, strength="sigma")
