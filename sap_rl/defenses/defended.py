"""An entry of `DEFENSES`: a transform of networks, and the traits of what it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from sap_rl.defenses.activations import reseed_parts, shared_copy
from sap_rl.defenses.names import Backward
from sap_rl.schema import OptionField, options_of
from sap_rl.seeds import Stream

ActsOn = Literal["frames", "network"]


class Defended(nn.Module):
    """A network behind a defence: a module of unit frames like the one inside, which shares its
    Parameters and buffers.

    stochastic: two passes over the same frames differ, see `RandomDefended`. acts_on: it changes
    the `frames` before the network sees them, or what happens in the `network`. backwards: modes of
    its backward pass, `backward` the one in use, None where it has none.
    """

    stochastic: ClassVar[bool] = False
    acts_on: ClassVar[ActsOn] = "network"
    backwards: ClassVar[tuple[Backward, ...]] = ()
    backward: Backward | None = None

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.training = module.training
        self.module = shared_copy(module)

    @property
    def sampler_version(self) -> str | None:
        """The way its random numbers are drawn, with a version: exact/2; None without any."""
        return None


class RandomDefended(Defended):
    """A network behind a defence that draws anew in every pass, from a stream of its own."""

    stochastic = True

    def __init__(self, module: nn.Module, seed: int | None) -> None:
        super().__init__(module)
        self.reseed(seed)

    def reseed(self, seed: int | None) -> None:
        """Start a new stream, here and in every random module inside."""
        self.stream = Stream(seed)
        reseed_parts(self.module, self.stream.seed)


@dataclass(frozen=True)
class Defense:
    """Puts a network behind a defence: (module, *, seed, ...) -> nn.Module.

    make: the transform; its options are `Annotated[..., Option]`. kind: of what it makes, with the
    defence's traits. strength: the option that the number in a spelling such as sap-100 stands
    for, None where a bare name says all. version: raised when the defence's results change.
    """

    make: Callable[..., nn.Module]
    kind: type[Defended]
    strength: str | None = None
    version: int = 1

    def __call__(self, module: nn.Module, **options: Any) -> nn.Module:
        return self.make(module, **options)

    @cached_property
    def options(self) -> Mapping[str, OptionField]:
        """Name -> what the option is."""
        return options_of(self.make)


def straight_through(given: Tensor, seen: Tensor) -> Tensor:
    """What was `seen`, with the gradient going to what was `given` as if nothing had been done to
    it: the backward mode `identity` (BPDA, Athalye et al. 2018, arXiv 1802.00420)."""
    return seen.detach() + (given - given.detach())


def defended_parts(module: nn.Module) -> list[Defended]:
    """The parts of a network that defences made, the outermost first."""
    return [part for part in module.modules() if isinstance(part, Defended)]


def backwards_of(module: nn.Module) -> tuple[Backward, ...]:
    """The backward modes that the outermost defence has."""
    return module.backwards if isinstance(module, Defended) else ()


def backward_of(module: nn.Module) -> Backward | None:
    """The mode of them that is in use, None where there is none."""
    return module.backward if isinstance(module, Defended) else None


def sampler_of(module: nn.Module) -> str | None:
    """The sampler of the outermost defence with its version, None where it draws nothing."""
    return module.sampler_version if isinstance(module, Defended) else None
