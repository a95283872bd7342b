"""Stochastic Activation Pruning (Dhillon et al., ICLR 2018, arXiv 1803.01442)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from sap_rl.defenses import kernel
from sap_rl.defenses.activations import (
    activation_names,
    copies_of,
    starts_plainly,
)
from sap_rl.defenses.defended import Defense, RandomDefended, straight_through
from sap_rl.defenses.first_pass import watched_pass
from sap_rl.defenses.kernel import VERSIONS as KERNEL_VERSIONS
from sap_rl.defenses.names import BACKWARDS, Backward
from sap_rl.defenses.sampling import SAMPLER_VERSIONS, SAMPLERS, keep_probability
from sap_rl.errors import UsageError, unknown
from sap_rl.machine import single_threaded
from sap_rl.schema import Option
from sap_rl.seeds import Stream

SamplerName = Literal["exact", "bernoulli"]

P_RANGE = (2.0**-60, 1 - 2.0**-24)
"""Scales are computed for p in it: 1 / keep^2 and the derivative of log(1 - p) stay finite."""

MAX_PERCENT = 1e6
"""10,000 draws per value keep everything but the smallest; more only overflows."""

CACHE = 2**17
"""Values pruned at once on a CPU: the temporaries of more would not stay in its cache."""


@dataclass(frozen=True)
class Site:
    """One place where activations are pruned: `size` values per example, `draws` = r draws."""

    name: str
    size: int
    draws: int


class SAP(RandomDefended):
    """A network whose hidden activations are pruned at random in every pass, see `sap`."""

    backwards = BACKWARDS
    backward: Backward

    def __init__(
        self,
        module: nn.Module,
        percent: float,
        sampler: SamplerName,
        backward: Backward,
        skip: tuple[str, ...],
        seed: int | None,
    ) -> None:
        super().__init__(module, seed)
        self.percent, self.sampler, self.backward, self.skip = percent, sampler, backward, skip
        self._names = activation_names(module, skip)
        self._sites: list[Site] = []
        self._watched = False
        self._copies = 1
        for name in self._names:
            self.module.get_submodule(name).register_forward_hook(_Prune(name, self))
        self._starts_plainly = starts_plainly(self.module, self._names[0])

    @property
    def sites(self) -> tuple[Site, ...]:
        """Where the last pass pruned, in order; empty before the first (the input sets sizes)."""
        return tuple(self._sites)

    @property
    def sampler_version(self) -> str:
        """The sampler with the version of its draws, e.g. exact/2."""
        weight = next(self.module.parameters(), torch.empty(0))
        compiled = kernel.serves(weight.device, weight.dtype)
        return (KERNEL_VERSIONS if compiled else SAMPLER_VERSIONS)[self.sampler]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self._sites.clear()
        if self._watched:
            return self.module(*args, **kwargs)
        out = watched_pass(self.module, self._names, args, kwargs)
        self._watched = True
        return out

    def folded_passes(self, obs: Tensor, samples: int) -> Tensor:
        """n passes over obs [B, ...] folded into the batch [n * B, A]; what comes before the first
        pruning is computed once where nothing but layers of one path come before it."""
        once = self._watched and self._starts_plainly
        self._copies = samples if once else 1
        try:
            values: Tensor = self.forward(obs if once else copies_of(obs, samples))
            return values
        finally:
            self._copies = 1

    def extra_repr(self) -> str:
        return f"percent={self.percent:g}, sampler={self.sampler!r}, backward={self.backward!r}"


def sap(
    module: nn.Module,
    *,
    percent: Annotated[float, Option("draws per value of an activation map", unit="%")] = 100,
    sampler: Annotated[SamplerName, Option("of the draws; bernoulli is approximate")] = "exact",
    backward: Annotated[Backward, Option("gradient of the pruning, see `sap`")] = "mask",
    skip: Annotated[tuple[str, ...], Option("activation modules that are left alone")] = (),
    seed: int | None = None,
) -> SAP:
    """SAP-`percent` of a trained network: prune after every hidden activation module, post hoc.

    At each activation map h of one example (a values) r = int(percent / 100 * a) indices are drawn
    with replacement, P(j) = |h_j| / sum |h|; drawn units are scaled by 1 / (1 - (1 - p_j)^r), the
    others are 0, so that the mean is h. Every example and every pass draws anew, in train and in
    eval mode. The result shares the module's Parameters and buffers (move the module to its device
    first); the module is untouched. See `SAP` for `.sites` and `.reseed`.

    sampler: `exact`, the multinomial's joint law, or `bernoulli`, its marginals only (approximate).
    backward: `mask`, the authors', with p a constant; `full`, through p as well; `identity`, as if
    nothing was pruned (BPDA, Athalye et al. 2018). skip: names of activation modules left alone.
    seed: of the result's own stream, fresh for None.
    Raises UsageError where an activation would be missed, and for unusable options.
    """
    if not (math.isfinite(percent) and percent > 0):
        raise UsageError(f"percent must be a positive number, got {percent}")
    if percent > MAX_PERCENT:
        raise UsageError(f"percent must be at most {MAX_PERCENT:g}, got {percent:g}")
    if sampler not in SAMPLERS:
        raise unknown("sampler", sampler, SAMPLERS)
    if backward not in BACKWARDS:
        raise unknown("backward mode", backward, BACKWARDS)
    hooks = (hook for part in module.modules() for hook in part._forward_hooks.values())
    if any(isinstance(hook, _Prune) for hook in hooks):
        raise UsageError(f"{type(module).__name__} is pruned by SAP already; give the original")
    return SAP(module, percent, sampler, backward, tuple(skip), seed)


DEFENSE = Defense(sap, SAP, strength="percent")


def prune(
    h: Tensor, *, draws: int, sampler: SamplerName, backward: Backward, stream: Stream
) -> Tensor:
    """Prune one activation map per example, h [B, ...] -> same shape and dtype.

    Computes in float32 or wider; an all-zero map stays zero; finite gradients. UsageError for NaN
    or infinity.
    """
    flat = h.flatten(1).to(torch.promote_types(h.dtype, torch.float32)).contiguous()
    through = backward == "full" and torch.is_grad_enabled()
    compiled = kernel.serves(flat.device, flat.dtype)
    if compiled and not (flat.requires_grad and torch.is_grad_enabled()):
        found = _finite(kernel.pruned(flat, draws, sampler, stream))
    else:
        engine = _compiled_scale if compiled else _torch_scale
        found = flat * engine(flat, draws, sampler, stream, through)
    pruned = found.view_as(h).to(h.dtype)
    if backward == "identity":
        return straight_through(h, pruned)
    return pruned


def _compiled_scale(
    flat: Tensor, draws: int, sampler: SamplerName, stream: Stream, through: bool
) -> Tensor:
    """1 / (1 - (1 - p)^r) on the survivors, 0 elsewhere; through: with the gradient of p."""
    scale = _finite(kernel.scale(flat, draws, sampler, stream))
    if through:
        slope = (scale > 0) / keep_probability(_shares(flat).clamp(*P_RANGE), draws)
        scale = scale + (slope - slope.detach())
    return scale


def _torch_scale(
    flat: Tensor, draws: int, sampler: SamplerName, stream: Stream, through: bool
) -> Tensor:
    """The same in torch, for every device and dtype."""
    rows = max(1, CACHE // flat.shape[1]) if flat.device.type == "cpu" else max(1, len(flat))
    parts = []
    # Two threads would wait for each other after every short operation.
    with single_threaded(), torch.set_grad_enabled(through):
        for part in torch.split(flat, rows):
            p = _shares(part)
            keep = keep_probability(p.clamp(*P_RANGE), draws)
            kept = SAMPLERS[sampler](p.detach(), keep.detach(), draws, stream)
            parts.append(kept.to(keep.dtype).div_(keep))
    return torch.cat(parts)


def _shares(flat: Tensor) -> Tensor:
    """Each value's share of its row's total [B, a]; UsageError where a row is not finite."""
    weights = flat.abs()
    total = weights.sum(1, keepdim=True)
    _finite(weights if bool(total.isfinite().all()) else None)
    return weights.div_(torch.where(total > 0, total, 1.0))


def _finite(found: Tensor | None) -> Tensor:
    if found is None:
        raise UsageError("an activation map to be pruned holds NaN, infinity or too large values")
    return found


class _Prune:
    """The hook after one activation module."""

    def __init__(self, name: str, owner: SAP) -> None:
        self.name, self.owner = name, owner

    def __call__(self, _module: nn.Module, _args: Any, output: Any) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim < 2:
            raise UsageError(f"activation '{self.name}' must give a tensor [B, ...] to be pruned")
        owner = self.owner
        if owner._copies > 1 and not owner._sites:
            output = copies_of(output, owner._copies)
        size = output.shape[1:].numel()
        draws = int(owner.percent * size / 100)
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
