"""Whether a network divides its frames itself: seen in what reaches its first layer of weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sap_rl.atari.preprocess import Preprocess
from sap_rl.errors import UsageError
from sap_rl.networks.reading.request import Request

WEIGHTED = {"convolution", "_convolution", "linear", "addmm", "mm", "bmm", "baddbmm", "mv"}
"""Torch's operations in which weights meet what a network sees."""
SHRINKS = 1 / 16
"""A network that makes frames so much smaller takes pixels: 1/255, or 1/78 for their deviation."""


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps what goes into every weighted operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[Tensor] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func.overloadpacket.__name__ in WEIGHTED and not _pixel_by_pixel(args):
            self.seen += [arg.detach() for arg in args if isinstance(arg, Tensor)]
        return func(*args, **kwargs or {})


def in_own_scale(
    network: Callable[[Tensor], Any], sees: Preprocess, request: Request, device: torch.device
) -> Preprocess:
    """What a network sees, in pixels where it divides itself and nobody says its scale.

    UsageError where it divides what a whole `Preprocess` says is divided already.
    """
    whole = isinstance(request.preprocess, Preprocess)
    if sees.scale == "pixels" or (request.says("scale") and not whole):
        return sees
    if not takes_pixels(network, sees.shape, device):
        return sees
    if whole:
        name = type(network).__name__
        raise UsageError(
            f"{name} divides its frames itself, and preprocess has scale='unit': "
            "say scale='pixels', or preprocess={'scale': 'unit'} to have them divided twice"
        )
    return replace(sees, scale="pixels")


def require_divided_once(
    transformed: Callable[[Tensor], Any], name: str, shape: tuple[int, ...], device: torch.device
) -> None:
    """UsageError where a network behind a function of pixels divides what that divided already."""
    if takes_pixels(transformed, shape, device):
        raise UsageError(
            f"{name} divides its frames itself, and so does the function given as preprocess: "
            "leave the division out of one of them"
        )


def takes_pixels(
    network: Callable[[Tensor], Any], shape: tuple[int, ...], device: torch.device
) -> bool:
    """Whether frames [K, H, W] become so much smaller before they meet weights, that only pixels
    0..255 can be meant. A network that fails on unit frames does not say so."""
    with suppress(Exception):  # a module may refuse
        network = copy.deepcopy(network)  # looking moves a random module's stream
    planes = torch.linspace(1, 0.5, shape[0])[:, None, None]
    ramp = torch.linspace(0, 1, shape[-1]).expand(shape) * planes
    one, other = ramp.to(device)[None], ramp.flip(-1).to(device)[None]
    try:
        shown = one.clone(), other.clone()  # which a network may divide in place
        seen = zip(*(_watched(network, frames) for frames in shown), strict=True)
        changes = ((a.float() - b.float()).std() for a, b in seen if a.shape == b.shape)
        change = next((float(c) for c in changes if c > 0), None)
    except Exception:  # `actions_of` says what is wrong with it
        return False
    return change is not None and change < SHRINKS * float((one - other).std())


def _pixel_by_pixel(args: tuple[Any, ...]) -> bool:
    """Whether an operation is a 1x1 convolution, which may be the division written as a layer."""
    return len(args) > 1 and isinstance(args[1], Tensor) and args[1].shape[2:] == (1, 1)


def _watched(network: Callable[[Tensor], Any], frames: Tensor) -> list[Tensor]:
    with torch.no_grad(), Watch() as watch:
        network(frames)
    seen: list[Tensor] = watch.seen
    return seen
