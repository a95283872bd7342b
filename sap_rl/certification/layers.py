"""A network as the plain chain of affine layers and ReLUs that bounds are computed through."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sap_rl.errors import UsageError
from sap_rl.networks.dueling import DuelingHead

Size = tuple[int, int]


@dataclass(frozen=True)
class Affine:
    """A convolution, with a ReLU behind it or none; a dense layer is one over the whole map.

    weight [O, C, h, w], bias [O]; stride and padding: rows, columns.
    """

    weight: Tensor
    bias: Tensor
    stride: Size = (1, 1)
    padding: Size = (0, 0)
    relu: bool = False

    def __call__(self, inputs: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, O, H', W'], before the ReLU."""
        return F.conv2d(inputs, self.weight, self.bias, self.stride, self.padding)

    def spread(self, radius: Tensor) -> Tensor:
        """The half width [B, O, H', W'] of what it makes of a box of half width [B, C, H, W]."""
        return F.conv2d(radius, self.weight.abs(), None, self.stride, self.padding)


def affine_chain(module: nn.Module, shape: tuple[int, ...]) -> list[Affine]:
    """The layers of a network that takes frames of this shape [C, H, W], in order.

    Batch norm is folded into the layer before it, a dueling head into two dense layers. UsageError
    names a layer for which there is no rule.
    """
    chain: list[Affine] = []
    for layer in _layers(module):
        if isinstance(layer, nn.ReLU):
            if not chain:
                raise UsageError("no bounds through a ReLU on the frames themselves")
            chain[-1] = replace(chain[-1], relu=True)
        elif isinstance(layer, nn.BatchNorm2d):
            chain[-1:] = [_normalised(chain[-1:], layer)]
        elif isinstance(layer, nn.Conv2d):
            chain.append(_convolution(layer))
            shape = _shape_behind(chain[-1], shape)
        elif isinstance(layer, nn.Linear):
            chain.append(_dense(layer.weight, layer.bias, shape))
            shape = (layer.out_features, 1, 1)
        elif isinstance(layer, DuelingHead):
            chain += _dueling(layer, shape)
            shape = (len(chain[-1].weight), 1, 1)
        elif not isinstance(layer, nn.Flatten | nn.Identity):
            raise UsageError(f"no bounds through {type(layer).__name__}")
    if not chain or chain[-1].relu or shape[1:] != (1, 1):
        raise UsageError(f"bounds need a network that ends in a Linear layer, not {module}")
    return chain


def _layers(module: nn.Module) -> list[nn.Module]:
    """The layers of nested sequences, in order."""
    if not isinstance(module, nn.Sequential):
        return [module]
    return [layer for part in module for layer in _layers(part)]


def _shape_behind(layer: Affine, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(layer(torch.zeros(1, *shape, device=layer.weight.device)).shape[1:])


def _convolution(layer: nn.Conv2d) -> Affine:
    plain = layer.padding_mode == "zeros" and layer.groups == 1 and layer.dilation == (1, 1)
    if not plain or isinstance(layer.padding, str):
        raise UsageError(f"no bounds through {layer}")
    weight = layer.weight.detach().float()
    return Affine(weight, _bias(layer.bias, weight), _size(layer.stride), _size(layer.padding))


def _size(pair: tuple[int, ...]) -> Size:
    return pair[0], pair[1]


def _bias(bias: Tensor | None, weight: Tensor) -> Tensor:
    return weight.new_zeros(len(weight)) if bias is None else bias.detach().float()


def _dense(weight: Tensor, bias: Tensor | None, shape: tuple[int, ...]) -> Affine:
    """A dense layer on a map of this shape, flattened."""
    found = weight.detach().float().reshape(len(weight), *shape)
    return Affine(found, _bias(bias, found))


def _normalised(before: list[Affine], norm: nn.BatchNorm2d) -> Affine:
    """The layer before a batch norm together with it."""
    if not before or before[0].relu or norm.running_mean is None or norm.running_var is None:
        raise UsageError(f"no bounds through {norm} that does not follow a convolution")
    scale = (norm.running_var + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight.detach()
    bias = (before[0].bias - norm.running_mean) * scale
    if norm.affine:
        bias = bias + norm.bias.detach()
    weight = before[0].weight * scale[:, None, None, None]
    return replace(before[0], weight=weight, bias=bias)


def _dueling(head: DuelingHead, shape: tuple[int, ...]) -> list[Affine]:
    """Both streams side by side: V + A - mean of A is affine in their hidden units."""
    value, worth, advantage, gain = (
        layer for layer in (*head.value, *head.advantage) if isinstance(layer, nn.Linear)
    )
    hidden = _dense(
        torch.cat([value.weight, advantage.weight]), torch.cat([value.bias, advantage.bias]), shape
    )
    weight = torch.cat(
        [worth.weight.expand(len(gain.weight), -1), gain.weight - gain.weight.mean(0)], dim=1
    )
    bias = worth.bias + gain.bias - gain.bias.mean()
    return [replace(hidden, relu=True), _dense(weight, bias, (len(hidden.weight), 1, 1))]
