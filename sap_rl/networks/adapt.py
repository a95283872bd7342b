"""Where a network takes other frames than ours: the one place that says how."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sap_rl.atari.preprocess import Preprocess
from sap_rl.errors import UsageError, told_of
from sap_rl.networks.sizes import frames_cure
from sap_rl.pixels import to_pixels
from sap_rl.seeds import torch_stream
from sap_rl.types import QValues, UnitFrames


class AsTrained(nn.Module):
    """Unit frames [B, K, H, W], rows and oldest first -> the network's values of its own view.

    Reverses the stack, swaps rows and columns and goes back to pixels where `preprocess` says so.
    The gradient towards the unit frames is the true one: a budget stays in pixel units.
    """

    def __init__(self, network: Callable[[Tensor], Any], preprocess: Preprocess) -> None:
        super().__init__()
        self.network: Any = network
        self.reversed, self.planes = preprocess.order == "newest_first", preprocess.planes
        self.swapped = preprocess.layout == "columns_first"
        self.in_pixels = preprocess.scale == "pixels"

    def forward(self, obs: UnitFrames) -> QValues:
        """Action values [B, A]."""
        values: QValues = self.network(self.seen(obs))
        return values

    def seen(self, obs: UnitFrames) -> Tensor:
        """The frames as the network takes them: in another order, times a number."""
        if self.reversed:
            obs = obs.view(len(obs), -1, self.planes, *obs.shape[2:]).flip(1).flatten(1, 2)
        if self.swapped:
            obs = obs.transpose(2, 3)
        return to_pixels(obs) if self.in_pixels else obs


class Transformed(nn.Module):
    """A network behind its own preprocessing, a differentiable function of pixels 0..255."""

    def __init__(self, network: nn.Module, transform: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.transform = network, transform

    def forward(self, obs: UnitFrames) -> QValues:
        """Action values [B, A] of unit frames [B, K, H, W]."""
        values: QValues = self.network(self.transform(to_pixels(obs)))
        return values


def takes_unit(network: nn.Module, preprocess: Preprocess) -> nn.Module:
    """The network as a function of unit frames; itself where it is one already."""
    plain = Preprocess()
    names = ("order", "layout", "scale")
    if all(getattr(preprocess, name) == getattr(plain, name) for name in names):
        return network
    return AsTrained(network, preprocess)


def retaken(module: nn.Module, preprocess: Preprocess) -> nn.Module:
    """What `takes_unit` made, as it would be made with another preprocessing."""
    return takes_unit(module.network if isinstance(module, AsTrained) else module, preprocess)


def _inner(module: nn.Module) -> nn.Module:
    """The network that somebody gave."""
    given: nn.Module = module.network if isinstance(module, AsTrained | Transformed) else module
    return given


def actions_of(module: nn.Module, sees: Preprocess, device: torch.device) -> int:
    """How many values a module gives; UsageError where they are no finite [B, num_actions], for one
    frame as for many."""
    try:
        twin = copy.deepcopy(module)  # looking moves a random module's stream
    except Exception:  # a module may refuse
        twin = module
    name = type(_inner(module)).__name__
    values = torch.zeros(0)
    for count in (2, 1):  # some squeeze a single frame away
        frames = torch.rand((count, *sees.shape), generator=torch_stream(0, "look")).to(device)
        shown = frames.clone()
        try:
            with torch.no_grad():
                values = twin(shown)
        except Exception as error:
            own = isinstance(twin, Transformed)  # which frames it takes is its function's business
            cure = "" if own else frames_cure(_inner(twin), sees, device)
            raise UsageError(
                f"{name} cannot take {list(frames.shape)} frames: {told_of(error)[:200]}{cure}"
            ) from error
        require_values(name, values, count)
        require_untouched(name, shown, frames)
    return values.shape[1]


def require_untouched(name: str, shown: Tensor, frames: Tensor) -> None:
    """UsageError where a network changed the frames that it was shown."""
    if not torch.equal(shown, frames):
        raise UsageError(
            f"{name} changes its frames in place, which the next one who looks at them would not "
            "know: let its forward begin with obs = obs.clone()"
        )


def require_values(name: str, values: Any, count: int) -> None:
    """UsageError where what a network gave for so many frames are no finite floats [B, actions]."""
    if not isinstance(values, Tensor) or values.ndim != 2 or len(values) != count:
        tensor = isinstance(values, Tensor)
        found = str(list(values.shape)) if tensor else f"a {type(values).__name__}"
        raise UsageError(
            f"{name} must give action values [B, num_actions], got {found} for {count} frames"
        )
    if values.shape[1] < 2 or not values.is_floating_point():
        raise UsageError(
            f"{name} must give floats for at least 2 actions, got {values.dtype} for "
            f"{values.shape[1]}"
        )
    if not bool(torch.isfinite(values).all()):
        raise UsageError(
            f"{name} gives action values that are not finite: where an action is to be left out, "
            "give a large negative number"
        )
