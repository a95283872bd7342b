"""Passes in half precision from weights in full precision, and what the CPU can do."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sap_rl.pixels import lam_to_eps, to_unit
from sap_rl.training.names import Precision
from sap_rl.types import Pixels, UnitFrames


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The dtype of the passes: bfloat16 is slower than float32 where it is only emulated."""
    if precision == "auto":
        has = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_has_bfloat16()
        return torch.bfloat16 if has else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def _cpu_has_bfloat16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def network_input(pixels: Pixels, dtype: torch.dtype) -> UnitFrames:
    """Uint8 frames [B, K, H, W] to 0..1 in that dtype, channels last in memory."""
    frames = _interleaved(pixels)
    unit = to_unit(frames) if dtype == torch.float32 else frames.to(dtype).mul_(lam_to_eps(1.0))
    return unit.permute(0, 3, 1, 2)


def _interleaved(pixels: Tensor) -> Tensor:
    """[B, K, H, W] to [B, H, W, K] while still bytes: a third of the time of torch's own way."""
    batch, frames, height, width = pixels.shape
    out = torch.empty((batch, height, width, frames), dtype=pixels.dtype, device=pixels.device)
    for k in range(frames):
        out[..., k] = pixels[:, k]
    return out


def rounded_copy(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy whose every weight has that dtype."""
    return copy.deepcopy(module).to(dtype)


class WorkingCopy:
    """A network's weights in the dtype of the passes; `module` computes, `master` is trained.

    In float32 both are the same module. Casting once per update, not once per pass as autocast
    does, and taking gradients of the copy saves an eighth of an update. round_to: makes the copy.
    """

    def __init__(
        self,
        master: nn.Module,
        dtype: torch.dtype,
        round_to: Callable[[nn.Module, torch.dtype], nn.Module] = rounded_copy,
    ) -> None:
        self.shared = dtype == torch.float32
        self.module = master if self.shared else round_to(master, dtype)
        self.parameters: list[Tensor] = list(self.module.parameters())
        self._masters: list[Tensor] = list(master.parameters())

    @property
    def copies(self) -> list[Tensor]:
        """The copied parameters, without their graph; none in float32."""
        return [] if self.shared else [parameter.detach() for parameter in self.parameters]

    def gradient(self, loss: Tensor) -> list[Tensor]:
        """The loss's gradient, a tensor per parameter, in the dtype of the passes."""
        return list(torch.autograd.grad(loss, self.parameters))

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the masters' weights."""
        if not self.shared:
            torch._foreach_copy_(self.parameters, self._masters)
