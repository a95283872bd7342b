"""What a checkpoint keeps of a network, and what it takes back."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from sap_rl.training.weights import kept_weights, take_weights


class Mixed(nn.Module):
    """A tied parameter, a buffer that is kept and one that is not."""

    def __init__(self, fill: float) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.full((2, 2), fill))
        self.other = self.one
        self.register_buffer("places", torch.full((3,), fill))
        self.register_buffer("passing", torch.full((3,), fill), persistent=False)


def test_parameters_and_kept_buffers_come_back() -> None:
    found = load(save(kept_weights(Mixed(1.0))))
    assert set(found) == {"one", "places"}
    module = Mixed(2.0)
    take_weights(module, found)
    after = [getattr(module, name).detach() for name in ("other", "places", "passing")]
    assert [float(value.mean()) for value in after] == [1.0, 1.0, 2.0]


def test_a_checkpoint_without_buffers_leaves_them() -> None:
    module = Mixed(2.0)
    take_weights(module, {"one": torch.ones(2, 2)})
    assert [float(module.one.detach().mean()), float(module.get_buffer("places").mean())] == [
        1.0,
        2.0,
    ]
    with pytest.raises(KeyError):
        take_weights(module, {"places": torch.ones(3)})
