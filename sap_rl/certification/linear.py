"""What a network's values can be within a ball, by linear bounds carried backwards (CROWN).

Zhang et al. 2018 (arXiv 1811.00866), with the lower slopes of section 3.3 (adaptive), batched as
Xu et al. 2020 (arXiv 2002.12920) do it. Every ReLU that may switch lies between two lines; a bound
on a unit is a linear function of the frames, found from the unit backwards, and exact over the box.
A unit is followed through its own receptive field only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sap_rl.certification.layers import Affine, Size
from sap_rl.networks.strided import blockwise_input_gradient

CHUNK = 2**21
"""Coefficients that are held at once, a float32 each."""
TINY = 1e-8


@dataclass(frozen=True)
class Box:
    """The values [B, C, H, W] between which something lies."""

    low: Tensor
    high: Tensor

    def rectified(self) -> Box:
        """Behind a ReLU."""
        return Box(self.low.relu(), self.high.relu())

    def through(self, layer: Affine) -> Box:
        """Behind an affine layer, by interval arithmetic; exact for a box of frames."""
        middle, spread = layer((self.low + self.high) / 2), layer.spread((self.high - self.low) / 2)
        return Box(middle - spread, middle + spread)


@dataclass(frozen=True)
class Relaxation:
    """Lines around what follows an affine layer: above z * (low + rise) + gap, below z * low.

    Each [B, C, H, W]; of a ReLU, or of nothing, where both are z itself.
    """

    low: Tensor
    rise: Tensor
    gap: Tensor

    @classmethod
    def of(cls, layer: Affine, box: Box) -> Relaxation:
        """The lines for a layer whose sums lie in the box."""
        if not layer.relu:
            ones = torch.ones_like(box.low)
            return cls(ones, torch.zeros_like(ones), torch.zeros_like(ones))
        below, above = box.low.clamp(max=0), box.high.clamp(min=0)
        above = torch.maximum(above, below + TINY)
        up = above / (above - below)
        low = (up > 0.5).to(up.dtype)
        return cls(low, up - low, -up * below)


@dataclass(frozen=True)
class Rows:
    """Linear functions of what a layer takes, S of each window that is looked at.

    weight [N, S, C, h, w], bias [N, S]; window [N]: which of the batch's, frame by frame.
    """

    weight: Tensor
    bias: Tensor
    window: Tensor

    def split(self, size: int) -> Iterator[Rows]:
        """In parts of at most so many windows."""
        return map(
            Rows, *(torch.split(part, size) for part in (self.weight, self.bias, self.window))
        )


@dataclass(frozen=True)
class View:
    """Which window of a map each unit of a later layer sees.

    size, stride and padding of the windows, places: how many there are, each rows, columns.
    """

    size: Size
    stride: Size
    padding: Size
    places: Size

    @classmethod
    def of(cls, layer: Affine, inputs: Tensor) -> View:
        """What the units of a layer see of its inputs [B, C, H, W]."""
        size = (layer.weight.shape[2], layer.weight.shape[3])
        high, wide = (
            (side + 2 * pad - kernel) // step + 1
            for side, pad, kernel, step in zip(
                inputs.shape[2:], layer.padding, size, layer.stride, strict=True
            )
        )
        return cls(size, layer.stride, layer.padding, (high, wide))

    def through(self, layer: Affine) -> View:
        """What they see of the inputs of a layer before."""
        (high, wide), (down, right) = self.size, layer.stride
        size = (
            (high - 1) * down + layer.weight.shape[2],
            (wide - 1) * right + layer.weight.shape[3],
        )
        stride = (self.stride[0] * down, self.stride[1] * right)
        padding = (
            self.padding[0] * down + layer.padding[0],
            self.padding[1] * right + layer.padding[1],
        )
        return View(size, stride, padding, self.places)

    def cut(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] -> [B * places, C, *size], 0 outside the map."""
        flat = F.unfold(maps, self.size, padding=self.padding, stride=self.stride)
        across = (maps.shape[3] + 2 * self.padding[1] - self.size[1]) // self.stride[1] + 1
        grid = flat.view(*flat.shape[:2], -1, across)[:, :, : self.places[0], : self.places[1]]
        windows: Tensor = grid.permute(0, 2, 3, 1).reshape(-1, maps.shape[1], *self.size)
        return windows


class LinearBounds:
    """Bounds on the units of a chain of layers for the frames of a box; no gradient.

    The bounds of hidden layers are found once, layer by layer.
    """

    def __init__(self, chain: Sequence[Affine], frames: Box) -> None:
        self.chain, self.frames = chain, frames
        self.relaxed: list[Relaxation] = []
        box = frames
        for at, layer in enumerate(chain[:-1]):
            box = self._tighter(at, box.through(layer)) if at and layer.relu else box.through(layer)
            self.relaxed.append(Relaxation.of(layer, box))
            box = box.rectified() if layer.relu else box

    def margins(self, label: Tensor) -> Tensor:
        """Upper bounds [B, A] of value minus the label's [B], 0 for the label itself."""
        last = self.chain[-1]
        weight = last.weight[None] - last.weight[label][:, None]  # [B, A, C, h, w]
        bias = last.bias[None] - last.bias[label][:, None]
        window = torch.arange(len(label), device=label.device)
        return self._upper(len(self.chain) - 1, Rows(weight, bias, window))

    def _tighter(self, at: int, rough: Box) -> Box:
        """Bounds before a layer's ReLU; units whose sign intervals know keep those of intervals."""
        frame, unit, down, right = ((rough.low < 0) & (rough.high > 0)).nonzero(as_tuple=True)
        places, wide = rough.low[0, 0].numel(), rough.low.shape[3]
        window = frame * places + down * wide + right
        layer = self.chain[at]
        weight, bias = layer.weight[unit], layer.bias[unit]
        both = Rows(torch.stack([weight, -weight], 1), torch.stack([bias, -bias], 1), window)
        found = self._upper(at, both)
        low, high = rough.low.clone(), rough.high.clone()
        high[frame, unit, down, right], low[frame, unit, down, right] = found[:, 0], -found[:, 1]
        return Box(low, high)

    def _upper(self, at: int, rows: Rows) -> Tensor:
        """Upper bounds [N, S] of functions of what layer `at` takes."""
        inputs = self.relaxed[at - 1].low if at else self.frames.low
        view = View.of(self.chain[at], inputs)
        behind: list[tuple[Affine, Relaxation]] = []
        for layer, lines in reversed([*zip(self.chain[:at], self.relaxed[:at], strict=True)]):
            windows = Relaxation(view.cut(lines.low), view.cut(lines.rise), view.cut(lines.gap))
            behind.append((layer, windows))
            view = view.through(layer)
        low, high = self.frames.low, self.frames.high
        ends = (view.cut((high + low) / 2), view.cut((high - low) / 2))
        most = max(part[0].numel() for part in (ends[0], *(lines.low for _, lines in behind)))
        parts = rows.split(max(1, CHUNK // (most * rows.weight.shape[1])))
        return torch.cat([_carried(part, behind, ends) for part in parts])


def _carried(
    rows: Rows, behind: Sequence[tuple[Affine, Relaxation]], ends: tuple[Tensor, Tensor]
) -> Tensor:
    """Upper bounds [N, S]: the functions carried back to the frames, and their most there."""
    weight, bias = rows.weight, rows.bias
    for layer, lines in behind:
        above = weight.clamp(min=0)
        bias = bias + _dot(above, lines.gap[rows.window])
        weight = weight * lines.low[rows.window][:, None]
        weight.addcmul_(above, lines.rise[rows.window][:, None])
        bias = bias + weight.sum((3, 4)) @ layer.bias
        before = _before(weight.flatten(0, 1), layer)
        weight = before.view(*bias.shape, *before.shape[1:])
    middle, radius = (windows[rows.window] for windows in ends)
    return bias + _dot(weight, middle) + _dot(weight.abs_(), radius)


def _dot(weight: Tensor, values: Tensor) -> Tensor:
    """[N, S, C, h, w] times [N, C, h, w] -> [N, S]."""
    return (weight.flatten(2) @ values.flatten(1)[:, :, None]).squeeze(2)


def _before(weight: Tensor, layer: Affine) -> Tensor:
    """Functions [N, O, h, w] of what a layer puts out as functions of what it takes."""
    kernel, (down, right) = layer.weight.shape[2:], layer.stride
    if kernel[0] == kernel[1] and down == right > 1 and kernel[0] % down == 0:
        size = ((weight.shape[2] - 1) * down + kernel[0], (weight.shape[3] - 1) * down + kernel[0])
        return blockwise_input_gradient(weight, layer.weight, down, size)
    return F.conv_transpose2d(weight, layer.weight, stride=layer.stride)
