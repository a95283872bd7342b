"""The dueling network's shape and equation."""

from __future__ import annotations

import pytest
import torch

from sap_rl import UsageError, load_agent
from sap_rl.networks.dueling import DuelingHead, dueling_network


def test_shapes_by_hand() -> None:
    network = dueling_network(6)
    assert network(torch.rand(2, 4, 84, 84)).shape == (2, 6)
    convolutions = 8_224 + 32_832 + 36_928
    streams = 2 * (3136 * 512 + 512) + 513 + 6 * 513
    assert sum(p.numel() for p in network.parameters()) == convolutions + streams
    with pytest.raises(UsageError, match="at least 2 actions"):
        dueling_network(1)


def test_advantages_are_centred() -> None:
    """V + A - mean A by hand: the value stream alone decides the mean."""
    head = DuelingHead(3, 2)
    for parameter in head.parameters():
        torch.nn.init.zeros_(parameter)
    head.value.out.bias.data.fill_(5.0)  # type: ignore[union-attr, operator]
    head.advantage.out.bias.data.copy_(torch.tensor([10.0, 4.0]))  # type: ignore[union-attr, operator]
    assert head(torch.rand(1, 3)).tolist() == [[8.0, 2.0]]


def test_sap_prunes_both_streams() -> None:
    agent = load_agent(dueling_network(6)).defend("sap-100", seed=0)
    assert agent.q_values(torch.zeros(2, 4, 84, 84, dtype=torch.uint8)).shape == (2, 6)
    names = [site.name for site in agent.module.sites]  # type: ignore[union-attr]
    assert names == ["relu1", "relu2", "relu3", "head.value.relu", "head.advantage.relu"]
