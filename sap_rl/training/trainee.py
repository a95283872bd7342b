"""What a learner and a student have in common: a network that is trained, and means about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from sap_rl.errors import UsageError
from sap_rl.training.optimizer import ClippedOptimizer, OptimizerSettings
from sap_rl.training.precision import WorkingCopy
from sap_rl.training.threads import BatchThreads
from sap_rl.training.weights import kept, kept_weights, take_weights

Parts = dict[str, dict[str, Tensor]]
"""Tensors to keep, by part (weights, each moment of the optimiser, ...) and name."""


class Diverged(UsageError):  # noqa: N818
    """A loss, a gradient or a weight is NaN or infinite."""


class Trainee:
    """A network, its copy in the dtype of the passes, and its optimiser.

    network: full precision, on its device, is trained in place; threads: slices of a batch, torch's
    count by default; round_to: makes the copy. updates: made so far.
    """

    verb: ClassVar[str]
    facts: ClassVar[tuple[str, ...]]
    """What is summed up of every update until somebody asks, by name."""

    def __init__(
        self,
        network: nn.Module,
        settings: OptimizerSettings,
        device: torch.device,
        dtype: torch.dtype,
        *,
        threads: int | None,
        round_to: Callable[[nn.Module, torch.dtype], nn.Module],
    ) -> None:
        self.network, self.device, self.dtype = network, device, dtype
        self.online = WorkingCopy(network, dtype, round_to)
        self.batch_threads = BatchThreads(
            threads or (torch.get_num_threads() if device.type == "cpu" else 1)
        )
        masters = {name: value.detach() for name, value in network.named_parameters()}
        self.optimizer = ClippedOptimizer(masters, self.online.copies, settings, self.batch_threads)
        self.updates = 0
        self._sums, self._counted = torch.zeros(len(self.facts), device=device), 0

    def check_facts(self) -> None:
        """Raise Diverged if a fact since the last means was not finite."""
        if not bool(torch.isfinite(self._sums).all()):
            sums = zip(self.facts, self._sums.tolist(), strict=True)
            told = ", ".join(f"{name} {value:g}" for name, value in sums)
            raise Diverged(f"{self.verb} diverged by update {self.updates}: sums of {told}")

    def check(self) -> None:
        """Raise Diverged if a fact or a weight is not finite."""
        self.check_facts()
        for name, parameter in self.network.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                raise Diverged(f"{self.verb} diverged by update {self.updates}: weight '{name}'")

    def sums(self) -> list[float]:
        """The facts' sums and the count of their updates, for a checkpoint."""
        return [*self._sums.tolist(), self._counted]

    def load_sums(self, sums: list[float]) -> None:
        """Go on with a checkpoint's sums; from none where it is older than their being kept."""
        if sums:
            self._sums.copy_(torch.tensor(sums[:-1]))
            self._counted = int(sums[-1])

    def parts(self) -> Parts:
        """The network's weights and the optimiser's moments, which begin with the first update."""
        moments = {kind: kept(tensors) for kind, tensors in self.optimizer.moments().items()}
        return {"weights": kept_weights(self.network)} | moments

    def load_parts(self, parts: Parts) -> None:
        """Take over the `parts` of another trainee."""
        take_weights(self.network, parts["weights"])
        self.optimizer.load_moments({k: parts[k] for k in sorted(parts.keys() - {"weights"})})
        self.online.refresh()

    def _add(self, facts: Tensor) -> None:
        """The facts of one more update."""
        self._sums += facts
        self._counted += 1
        self.updates += 1

    def _means(self) -> list[float]:
        """The facts' means since the last call, if they are finite."""
        self.check_facts()
        found: list[float] = (self._sums / max(self._counted, 1)).tolist()
        self._sums.zero_()
        self._counted = 0
        return found
