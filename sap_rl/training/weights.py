"""A network's tensors as a checkpoint keeps them: parameters and buffers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def kept(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as they are written: without a graph, on the CPU, contiguous."""
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


def kept_weights(module: nn.Module) -> dict[str, Tensor]:
    """What `state_dict` holds, a tensor that two layers share once, as safetensors wants it."""
    stated = module.state_dict().keys()
    buffers = {name: value for name, value in module.named_buffers() if name in stated}
    return kept(dict(module.named_parameters()) | buffers)


@torch.no_grad()
def take_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy kept weights into a module; KeyError for a missing parameter.

    Buffers stay as they are where a checkpoint is older than their being kept.
    """
    for name, parameter in module.named_parameters():
        parameter.copy_(weights[name])
    for name, buffer in module.named_buffers():
        if name in weights:
            buffer.copy_(weights[name])
