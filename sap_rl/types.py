"""Names for shapes: B batch, K frame stack, H height, W width, A actions, N quantiles."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from torch import Tensor

Pixels: TypeAlias = UInt8[Tensor, "B K H W"] | Float32[Tensor, "B K H W"]
"""Frames in 0..255, oldest first."""

UnitFrames: TypeAlias = Float[Tensor, "B K H W"]
"""Frames in 0..1, what a Q-function takes."""

Features: TypeAlias = Float[Tensor, "B F"]
QValues: TypeAlias = Float[Tensor, "B A"]
Quantiles: TypeAlias = Float[Tensor, "B A N"]
ChosenQuantiles: TypeAlias = Float[Tensor, "B M"]
Actions: TypeAlias = Int64[Tensor, "B"]
Reference: TypeAlias = Int64[Tensor, "B"] | Float[Tensor, "B A"]
"""What an objective is taken at: an action per example, or the clean action values."""
PerExample: TypeAlias = Float[Tensor, "B"]
Flags: TypeAlias = Bool[Tensor, "B"]

PixelArray: TypeAlias = UInt8[np.ndarray, "B K H W"] | Float32[np.ndarray, "B K H W"]
Screens: TypeAlias = UInt8[np.ndarray, "N H W"] | UInt8[np.ndarray, "N H W 3"]
"""The emulator's own picture, grey or red, green and blue."""
ActionArray: TypeAlias = Int64[np.ndarray, "B"]


@runtime_checkable
class QFunction(Protocol):
    """Unit floats [B, K, H, W] -> action values [B, A]; differentiable; may be random."""

    def __call__(self, obs: Any, /) -> Any: ...


@runtime_checkable
class Attack(Protocol):
    """Change frames inside a threat model, knowing only a callable.

    q: QFunction; obs: unit frames [B, K, H, W]; threat: attacks.threat.Threat; generator: the
    attacker's own randomness; label: actions [B] to move away from, None for the argmax of q's own
    mean on `obs`. Returns unit frames [B, K, H, W]. Its first call of q, if any, is on clean `obs`.
    """

    def __call__(
        self,
        q: QFunction,
        obs: Any,
        threat: Any,
        /,
        *,
        generator: torch.Generator,
        label: Any = None,
    ) -> Any: ...
