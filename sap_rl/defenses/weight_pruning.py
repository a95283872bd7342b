"""Stochastic weight pruning, the rival in the SAP paper's Appendix B."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from sap_rl.defenses.defended import Defense, RandomDefended
from sap_rl.defenses.sap import MAX_PERCENT, SamplerName, prune
from sap_rl.errors import UsageError
from sap_rl.schema import Option

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Whose weights are pruned; biases are not."""


class WeightPruned(RandomDefended):
    """A network whose weights are pruned at random in every pass, see `weight_pruning`."""

    def __init__(
        self, module: nn.Module, percent: float, sampler: SamplerName, seed: int | None
    ) -> None:
        super().__init__(module, seed)
        self.percent, self.sampler = percent, sampler
        layers = self.module.named_modules()
        self._names = [f"{name}.weight" for name, part in layers if isinstance(part, LAYERS)]

    @property
    def sampler_version(self) -> str:
        """The way weights are drawn, with a version."""
        return f"{self.sampler}/1"

    def forward(self, obs: Tensor) -> Tensor:
        weights = {name: self._pruned(self.module.get_parameter(name)) for name in self._names}
        values: Tensor = torch.func.functional_call(self.module, weights, (obs,))
        return values

    def folded_passes(self, obs: Tensor, samples: int) -> Tensor:
        """n passes over obs [B, ...] one after the other [n * B, A], each with weights of its
        own."""
        return torch.cat([self.forward(obs) for _ in range(samples)])

    def _pruned(self, weight: nn.Parameter) -> Tensor:
        draws = max(1, int(self.percent * weight.numel() / 100))
        with torch.no_grad():
            found = prune(
                weight[None], draws=draws, sampler=self.sampler, backward="mask", stream=self.stream
            )
        return found[0]

    def extra_repr(self) -> str:
        return f"percent={self.percent:g}, sampler={self.sampler!r}"


def weight_pruning(
    module: nn.Module,
    *,
    percent: Annotated[float, Option("draws per weight of a layer", unit="%")] = 100,
    sampler: Annotated[SamplerName, Option("of the draws; bernoulli is approximate")] = "exact",
    seed: int | None = None,
) -> WeightPruned:
    """Prune weights as SAP prunes activations (Dhillon et al. 2018, arXiv 1803.01442, Appendix B).

    int(percent / 100 * count) draws with replacement, in proportion to the weights' sizes; drawn
    weights are scaled by 1 / (1 - (1 - p)^r), the others are 0. One draw a pass, which the frames
    of a batch share; a gradient is that of the pass's own weights. UsageError for unusable options.
    """
    if not (math.isfinite(percent) and 0 < percent <= MAX_PERCENT):
        raise UsageError(f"percent must lie above 0 and be at most {MAX_PERCENT:g}, got {percent}")
    if not any(isinstance(part, LAYERS) for part in module.modules()):
        raise UsageError(f"{type(module).__name__} has no layers whose weights can be pruned")
    return WeightPruned(module, float(percent), sampler, seed)


DEFENSE = Defense(weight_pruning, WeightPruned, strength="percent")
