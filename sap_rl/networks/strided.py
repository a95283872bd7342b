"""A strided convolution with a cheap gradient towards its input, on which attacks spend their time.

Torch's CPU kernels transpose an 8x8 convolution of stride 4 at a seventh of the speed of the same
sums written as a 2x2 convolution of stride 1 between blocks of 4x4 pixels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class StridedConv2d(nn.Conv2d):
    """An `nn.Conv2d`; the same numbers forward, the same sums in another order backward.

    Square kernels whose size is a multiple of the stride, without padding, dilation or groups, are
    transposed in blocks on a CPU; others as ever. gradient_dtype: of the products in that sum, None
    for the weights' own.
    """

    gradient_dtype: torch.dtype | None = None

    def forward(self, input: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, out_channels, H', W']."""
        if not (self._in_blocks and input.requires_grad and torch.is_grad_enabled()):
            return super().forward(input)
        if input.ndim != 4 or input.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        if torch._C._are_functorch_transforms_active():
            return super().forward(input)
        # The weights' gradient takes the usual way, and none where nobody asks for it.
        out = super().forward(input.detach())
        weight = self.weight.to(self.gradient_dtype or self.weight.dtype)
        found: Tensor = _InputGradient.apply(input, out, weight, self.stride[0])  # type: ignore[no-untyped-call]
        return found

    @property
    def _in_blocks(self) -> bool:
        (high, wide), (down, right) = self.kernel_size, self.stride
        plain = self.padding in ((0, 0), "valid") and self.dilation == (1, 1) and self.groups == 1
        return plain and high == wide and down == right > 1 and high % down == 0


class _InputGradient(torch.autograd.Function):
    """Gives `out` back; its gradient goes to `out`, and through the weights to the input."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, out: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.stride, ctx.size = stride, input.shape[2:]
        ctx.mark_dirty(out)  # returned as it is, and no view: what follows may work in place
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        grad = grads[0].to(weight.dtype)
        found = blockwise_input_gradient(grad, weight, ctx.stride, ctx.size)
        return found.to(grads[0].dtype), grads[0], None, None


def blockwise_input_gradient(
    grad: Tensor, weight: Tensor, stride: int, size: tuple[int, int]
) -> Tensor:
    """The gradient [B, C, H, W] of a convolution's input from its output's, [B, O, h, w].

    weight [O, C, n * stride, n * stride]; size: H, W. Every input block of stride x stride pixels
    sees n x n outputs.
    """
    outputs, channels, kernel, _ = weight.shape
    blocks, area = kernel // stride, stride * stride
    split = weight.view(outputs, channels, blocks, stride, blocks, stride)
    small = split.permute(0, 1, 3, 5, 2, 4).reshape(outputs, channels * area, blocks, blocks)
    by_block = F.conv_transpose2d(grad.contiguous(memory_format=torch.channels_last), small)
    # [B, rows, columns, C, down, right] -> [B, C, rows, down, columns, right]
    height, width = by_block.shape[2:]
    pixels = by_block.permute(0, 2, 3, 1).reshape(-1, height, width, channels, stride, stride)
    found = pixels.permute(0, 3, 1, 4, 2, 5).reshape(-1, channels, height * stride, width * stride)
    # Pixels beyond the last whole step reach no output.
    beyond = (0, size[1] - found.shape[3], 0, size[0] - found.shape[2])
    return F.pad(found, beyond) if any(beyond) else found
