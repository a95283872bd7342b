"""Networks with weights that every machine draws alike, and frames for them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from sap_rl.networks.dueling import dueling_network
from sap_rl.networks.nature import nature_network


def small() -> nn.Sequential:
    """[B, 2, 11, 10] -> 3 values, through padding and a stride that leaves columns out."""
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 2), nn.ReLU(),
        nn.Flatten(), nn.Linear(8 * 5 * 4, 12), nn.ReLU(), nn.Linear(12, 3),
    )  # fmt: skip


def normalised() -> nn.Sequential:
    """[B, 1, 9, 9] -> 4 values, with batch norm behind both convolutions."""
    return nn.Sequential(
        nn.Conv2d(1, 5, 3, bias=False), nn.BatchNorm2d(5), nn.ReLU(),
        nn.Conv2d(5, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Flatten(), nn.Linear(4 * 3 * 3, 4),
    ).eval()  # fmt: skip


def dense() -> nn.Sequential:
    """[B, 1, 3, 3] -> 3 values, dense layers with no ReLU between the first two."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(9, 16), nn.Linear(16, 10), nn.ReLU(), nn.Linear(10, 3)
    )


NETWORKS = {
    "small": (small, (2, 11, 10), 0.03),
    "normalised": (normalised, (1, 9, 9), 0.05),
    "dense": (dense, (1, 3, 3), 0.1),
    "nature": (lambda: nature_network(6), (4, 84, 84), 0.002),
    "dueling": (lambda: dueling_network(5, frames=2, size=(44, 40)), (2, 44, 40), 0.004),
}
"""Name: the network, the shape of its frames, a budget in unit scale."""


def drawn(name: str, frames: int = 3) -> tuple[nn.Module, Tensor, float]:
    """A network with weights of a fixed seed, frames 0..1 for it, a budget in unit scale."""
    make, shape, eps = NETWORKS[name]
    rng = np.random.default_rng(7)
    module = make()
    with torch.no_grad():
        for key, value in module.state_dict().items():
            if not value.is_floating_point():
                continue
            fan = max(1, value[0].numel()) if value.ndim > 1 else 4
            found = rng.normal(size=value.shape) * (2 / fan) ** 0.5
            value.copy_(torch.from_numpy(np.abs(found) + 0.5 if "running_var" in key else found))
    return module, torch.from_numpy(rng.random((frames, *shape), dtype=np.float32)), eps
