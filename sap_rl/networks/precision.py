"""A network computed in half precision, for those who measure much and need it soon."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sap_rl.errors import UsageError
from sap_rl.networks import Precision
from sap_rl.networks.strided import StridedConv2d

PRECISIONS: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
}


def half_precision(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A rounded copy of a Q-network: unit frames [B, K, H, W] float32 -> [B, A] float32.

    The first layer stays in float32, but for its gradient towards the frames: frames in half
    precision would lose perturbations of less than a pixel. Values lie within a few hundredths of
    the original's; near-ties flip. Shares nothing with the module. UsageError for a network without
    layers.
    """
    half = copy.deepcopy(module)
    layers = [part for part in half.modules() if not list(part.children()) and _weights(part)]
    if not layers:
        raise UsageError(f"{type(module).__name__} has no layer to compute in half precision")
    for layer in layers[1:]:
        layer.to(dtype)
    if isinstance(layers[0], StridedConv2d):
        layers[0].gradient_dtype = dtype
    layers[0].register_forward_hook(_Cast(dtype))
    half.register_forward_hook(_Cast(torch.float32))
    return half


def said_of_precision(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """For people, as an entry of an agent's facts: in what weights are kept, where it is not
    float32, in which they are computed."""
    floats = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    if not floats - {torch.float32}:
        return {}
    names = sorted(str(dtype).removeprefix("torch.") for dtype in floats)
    return {"precision": f"weights in {' and '.join(names)}, computed in float32"}


def _weights(part: nn.Module) -> bool:
    return any(True for _ in part.parameters(recurse=False))


@dataclass(frozen=True)
class _Cast:
    """The hook that changes what a layer gives."""

    dtype: torch.dtype

    def __call__(self, _module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        return output.to(self.dtype)
