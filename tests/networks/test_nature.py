"""The network's shape, and what the shipped one says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from sap_rl import Agent, UsageError
from sap_rl.networks.nature import nature_network

GOLDEN_VALUES = [
    [1.655339, 1.477870, 1.528203, 1.887504],
    [1.678493, 1.558100, 1.569705, 1.725072],
    [1.245209, 1.156489, 1.156941, 1.346009],
]
GOLDEN_ACTIONS = [3, 7, 3, 3, 3, 3, 7, 7, 12, 3, 3, 0, 10, 10, 12, 3]


def test_shapes_by_hand() -> None:
    network = nature_network(6)
    sizes = {name: tuple(p.shape) for name, p in network.named_parameters() if "weight" in name}
    assert sizes == {
        "conv1.weight": (32, 4, 8, 8),
        "conv2.weight": (64, 32, 4, 4),
        "conv3.weight": (64, 64, 3, 3),
        "dense.weight": (512, 3136),
        "q.weight": (6, 512),
    }
    assert sum(p.numel() for p in network.parameters()) == 1_687_206  # as Mnih et al.'s for 6
    assert network(torch.zeros(2, 4, 84, 84)).shape == (2, 6)
    assert nature_network(3, frames=1)(torch.zeros(1, 1, 84, 84)).shape == (1, 3)


def test_negative_values_are_possible() -> None:
    """The last layer has no activation."""
    network = nature_network(6)
    torch.nn.init.constant_(network.q.bias, -5.0)  # type: ignore[arg-type]
    torch.nn.init.zeros_(network.q.weight)  # type: ignore[arg-type]
    assert network(torch.rand(1, 4, 84, 84)).tolist() == [[-5.0] * 6]


@pytest.mark.parametrize(("num_actions", "frames"), [(1, 4), (0, 4), (18, 0)])
def test_refused(num_actions: int, frames: int) -> None:
    with pytest.raises(UsageError, match=r"at least \d"):
        nature_network(num_actions, frames=frames)


def test_golden_values_of_the_shipped_agent(agent: Agent, frames: Tensor) -> None:
    """If this changes, every score of the agent does: say so in CHANGELOG under [results]."""
    values = agent.q_values(frames).numpy()
    assert values.shape == (16, 18)
    # 2e-5: other CPUs add in another order (7e-7 between batch sizes here).
    np.testing.assert_allclose(values[:3, :4], GOLDEN_VALUES, rtol=0, atol=2e-5)
    assert agent.act(frames).tolist() == GOLDEN_ACTIONS  # gaps of 0.0056 and more
