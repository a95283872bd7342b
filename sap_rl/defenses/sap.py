"""Stochastic Activation Pruning (Dhillon et al., ICLR 2018, arXiv 1803.01442)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sap_rl.defenses.activations import activation_names, refuse_functions, shared_copy
from sap_rl.defenses.sampling import SAMPLER_VERSIONS, SAMPLERS, keep_probability
from sap_rl.errors import UsageError, unknown
from sap_rl.seeds import Stream

SamplerName = Literal["exact", "bernoulli"]
Backward = Literal["mask", "full", "identity"]
BACKWARDS: tuple[Backward, ...] = ("mask", "full", "identity")


@dataclass(frozen=True)
class Site:
    """One place where activations are pruned: `size` values per example, `draws` = r draws."""

    name: str
    size: int
    draws: int


class SAP(nn.Module):
    """A network whose hidden activations are pruned at random in every pass, see `sap`.

    sites: where the last pass pruned, in order; empty before the first pass (sizes come from the
    input). seed: of its stream; `reseed` starts another. stochastic: True.
    """

    stochastic = True

    def __init__(
        self,
        module: nn.Module,
        percent: float,
        sampler: SamplerName,
        backward: Backward,
        skip: tuple[str, ...],
        seed: int | None,
    ) -> None:
        super().__init__()
        names = list(activation_names(module, skip))
        self.module = shared_copy(module)
        self.percent, self.sampler, self.backward, self.skip = percent, sampler, backward, skip
        self.stream = Stream(seed)
        self._sites: list[Site] = []
        self._watched = False
        for name in names:
            self.module.get_submodule(name).register_forward_hook(_Prune(name, self))

    @property
    def sites(self) -> tuple[Site, ...]:
        """Where the last pass pruned, in order."""
        return tuple(self._sites)

    @property
    def sampler_version(self) -> str:
        """The sampler with the version of its draws, e.g. exact/1."""
        return SAMPLER_VERSIONS[self.sampler]

    def reseed(self, seed: int | None) -> None:
        """Start a new stream."""
        self.stream = Stream(seed)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self._sites.clear()
        if self._watched:
            return self.module(*args, **kwargs)
        with refuse_functions(self.module):
            out = self.module(*args, **kwargs)
        self._watched = True
        return out

    def extra_repr(self) -> str:
        return f"percent={self.percent:g}, sampler={self.sampler!r}, backward={self.backward!r}"


def sap(
    module: nn.Module,
    *,
    percent: float = 100,
    sampler: SamplerName = "exact",
    backward: Backward = "mask",
    skip: tuple[str, ...] = (),
    seed: int | None = None,
) -> SAP:
    """SAP-`percent` of a trained network: prune after every hidden activation module, post hoc.

    At each activation map h of one example (a values) r = int(percent / 100 * a) indices are drawn
    with replacement, P(j) = |h_j| / sum |h|; drawn units are scaled by 1 / (1 - (1 - p_j)^r), the
    others are 0, so that the mean is h. Every example and every pass draws anew, in train and in
    eval mode. The result shares the module's Parameters and buffers; the module is untouched.

    sampler: `exact`, the multinomial's joint law, or `bernoulli`, its marginals only (approximate).
    backward: `mask`, the authors', with p a constant; `full`, through p as well; `identity`, as if
    nothing was pruned (BPDA, Athalye et al. 2018). skip: names of activation modules left alone.
    Raises UsageError where an activation would be missed, and for unusable options.
    """
    if not (math.isfinite(percent) and percent > 0):
        raise UsageError(f"percent must be a positive number, got {percent}")
    if sampler not in SAMPLERS:
        raise unknown("sampler", sampler, SAMPLERS)
    if backward not in BACKWARDS:
        raise unknown("backward mode", backward, BACKWARDS)
    return SAP(module, percent, sampler, backward, tuple(skip), seed)


def prune(
    h: Tensor, *, draws: int, sampler: SamplerName, backward: Backward, stream: Stream
) -> Tensor:
    """Prune one activation map per example, h [B, ...] -> same shape and dtype.

    Accurate in float32 whatever the dtype of h; an all-zero map stays zero; finite gradients.
    """
    flat = h.flatten(1).float()
    if backward == "full":
        scale = _scale(_survivors(flat, draws, sampler, stream), flat, draws)
    else:
        with torch.no_grad():
            scale = _scale(_survivors(flat, draws, sampler, stream), flat, draws)
    scale = scale.view_as(h).to(h.dtype)
    if backward == "identity":
        return h + (h * scale - h).detach()
    return h * scale


def _survivors(flat: Tensor, draws: int, sampler: SamplerName, stream: Stream) -> Tensor:
    return SAMPLERS[sampler](flat.detach().abs(), draws, stream)


def _scale(kept: Tensor, flat: Tensor, draws: int) -> Tensor:
    """1 / (1 - (1 - p)^r) on the survivors, 0 elsewhere; p = 1 gives 1, with a finite gradient."""
    weights = flat.abs()
    total = weights.sum(1, keepdim=True)
    p = weights / torch.where(total > 0, total, 1.0)
    keep = keep_probability(p.clamp_max(1 - 2**-24), draws)
    usable = kept & (keep > 0)
    return torch.where(usable, 1 / torch.where(usable, keep, 1.0), 0.0)


class _Prune:
    """The hook after one activation module."""

    def __init__(self, name: str, owner: SAP) -> None:
        self.name, self.owner = name, owner

    def __call__(self, _module: nn.Module, _args: Any, output: Any) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim < 2:
            raise UsageError(f"activation '{self.name}' must give a tensor [B, ...] to be pruned")
        owner = self.owner
        size = output[0].numel()
        draws = int(owner.percent / 100 * size)
        if draws < 1:
            raise UsageError(
                f"SAP-{owner.percent:g} draws nothing from the {size} values of '{self.name}'; "
                f"percent must be at least {100 / size:g} there"
            )
        owner._sites.append(Site(self.name, size, draws))
        return prune(
            output,
            draws=draws,
            sampler=owner.sampler,
            backward=owner.backward,
            stream=owner.stream,
        )
