"""Dropout put after the activations of a network that was trained without it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from torch import Tensor, nn

from sap_rl.defenses.activations import activation_names
from sap_rl.defenses.defended import Defense, RandomDefended, straight_through
from sap_rl.defenses.names import Backward
from sap_rl.errors import UsageError, unknown
from sap_rl.schema import Option


class Dropout(RandomDefended):
    """A network whose hidden activations are dropped at random in every pass, see `dropout`."""

    backwards: ClassVar[tuple[Backward, ...]] = ("mask", "identity")
    backward: Backward

    def __init__(
        self, module: nn.Module, rate: float, backward: Backward, seed: int | None
    ) -> None:
        super().__init__(module, seed)
        self.rate, self.backward = rate, backward
        for name in activation_names(module, ()):
            self.module.get_submodule(name).register_forward_hook(_Drop(self))

    @property
    def sampler_version(self) -> str:
        """The way it is decided what is dropped, with a version."""
        return "bernoulli/1"

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def extra_repr(self) -> str:
        return f"rate={self.rate:g}, backward={self.backward!r}"


class _Drop:
    """The hook after one activation module."""

    def __init__(self, owner: Dropout) -> None:
        self.owner = owner

    def __call__(self, _module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        owner = self.owner
        draws = owner.stream.uniform(tuple(output.shape), output.device)
        left = output * ((draws >= owner.rate) / (1 - owner.rate)).to(output.dtype)
        if owner.backward == "identity":
            return straight_through(output, left)
        return left


def dropout(
    module: nn.Module,
    *,
    rate: Annotated[float, Option("of the units that are dropped", unit="share")] = 0.1,
    backward: Annotated[Backward, Option("gradient of it: mask or identity")] = "mask",
    seed: int | None = None,
) -> Dropout:
    """Drop a share of the hidden units in every pass (Srivastava et al. 2014), after training.

    In train and eval mode alike; the others are scaled by 1 / (1 - rate). UsageError for a rate
    outside 0..1, and where an activation would be missed.
    """
    if not 0 < rate < 1:
        raise UsageError(f"rate must lie between 0 and 1, got {rate:g}")
    if backward not in Dropout.backwards:
        raise unknown("backward mode", backward, Dropout.backwards)
    return Dropout(module, float(rate), backward, seed)


DEFENSE = Defense(dropout, Dropout, strength="rate")
