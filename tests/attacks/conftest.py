"""Q-functions whose best attack is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor


@dataclass
class LinearQ:
    """Q(x) = (gap - <w, x>, <w, x>): the label is 0 while the gap is large, and the best attack
    on it is eps * sign(w) inside the box."""

    weight: Tensor
    gap: float
    calls: list[Tensor] = field(default_factory=list)

    def __call__(self, obs: Tensor) -> Tensor:
        self.calls.append(obs.detach().clone())
        score = (obs * self.weight).flatten(1).sum(1)
        return torch.stack([self.gap - score, score], 1)


@pytest.fixture
def linear() -> Callable[..., LinearQ]:
    """`linear(shape, gap=...)`: a LinearQ with weights of both signs, every eighth of them zero."""

    def make(shape: tuple[int, ...] = (4, 6, 5), gap: float = 10.0) -> LinearQ:
        weight = torch.randn(shape, generator=torch.Generator().manual_seed(7)) / 10
        weight.view(-1)[::8] = 0
        return LinearQ(weight, gap)

    return make


@pytest.fixture
def unit() -> Tensor:
    """Unit frames [3, 4, 6, 5] with exact zeros and ones among them."""
    obs = torch.rand((3, 4, 6, 5), generator=torch.Generator().manual_seed(1))
    obs[:, :, 0] = 0.0
    obs[:, :, 1] = 1.0
    return obs


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
