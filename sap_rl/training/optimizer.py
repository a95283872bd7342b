"""Clipping and the optimiser's step, each thread on its own rows of every parameter."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from sap_rl.training.threads import BatchThreads

RMSPROP_DECAY = 0.95
"""Decay of RMSProp's two averages, of the gradient and of its square (Mnih et al. 2015, extended
table 1)."""


@runtime_checkable
class OptimizerSettings(Protocol):
    """What the optimiser takes of a run's settings, as TrainSettings describes it."""

    @property
    def optimizer(self) -> str: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def optimizer_eps(self) -> float: ...
    @property
    def max_grad_norm(self) -> float: ...


class ThreadRows:
    """One thread's rows: views of the masters, of their gradients and of the working copies."""

    def __init__(
        self, masters: list[Tensor], copies: list[Tensor], settings: OptimizerSettings
    ) -> None:
        self.parameters = [nn.Parameter(master.detach()) for master in masters]
        self.copies = copies
        for parameter in self.parameters:
            parameter.grad = torch.zeros_like(parameter)
        self.gradients: list[Tensor] = [p.grad for p in self.parameters if p.grad is not None]
        self._masters: list[Tensor] = list(self.parameters)
        self.optimizer = _make_optimizer(self.parameters, settings)
        self.fused = settings.optimizer == "adam"

    @torch.no_grad()
    def gather(self, slices: list[list[Tensor]]) -> Tensor:
        """The sum of the slices' gradients in full precision; its norm."""
        torch._foreach_copy_(self.gradients, slices[0])
        for further in slices[1:]:
            torch._foreach_add_(self.gradients, further)
        return get_total_norm(self.gradients, foreach=True)

    @torch.no_grad()
    def step(self, divisor: Tensor | None, rate: float) -> None:
        """Divide the gradient, step, and refresh the working copies."""
        if self.fused:
            # The fused step divides gradients as it reads them: clipping costs no pass of its own.
            self.optimizer.grad_scale = divisor  # type: ignore[attr-defined]
            self.optimizer.found_inf = None  # type: ignore[attr-defined]
        elif divisor is not None:
            torch._foreach_div_(self.gradients, divisor)
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()
        if self.copies:
            torch._foreach_copy_(self.copies, self._masters)


class ClippedOptimizer:
    """Adam or RMSProp with a limit on the gradient's norm.

    masters: by name, trained in place; copies: what the passes use, in the same order, refreshed
    after each step; empty where they are the masters themselves.
    """

    def __init__(
        self,
        masters: dict[str, Tensor],
        copies: list[Tensor],
        settings: OptimizerSettings,
        batch_threads: BatchThreads,
    ) -> None:
        self.names, self.settings, self.batch_threads = list(masters), settings, batch_threads
        split_masters = _split(list(masters.values()), batch_threads.size)
        split_copies = _split(copies, batch_threads.size)
        self.shares = [
            ThreadRows(mine, theirs, settings)
            for mine, theirs in zip(split_masters, split_copies, strict=True)
        ]

    def step(self, slices: list[list[Tensor]], rate: float) -> Tensor:
        """Add up gradients, clip, step; the norm before clipping."""
        rows = [_split(gradient, len(self.shares)) for gradient in slices]
        work = [(share, [row[i] for row in rows]) for i, share in enumerate(self.shares)]
        norms = self.batch_threads.run(lambda item: item[0].gather(item[1]), work)
        norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
        limit = float(self.settings.max_grad_norm)
        divisor = (norm / limit).clamp_(min=1.0) if limit else None
        self.batch_threads.run(lambda share: share.step(divisor, rate), self.shares)
        return norm

    def gradients(self) -> list[Tensor]:
        """The last step's gradient per parameter, as the optimiser saw it."""
        columns = zip(*(share.gradients for share in self.shares), strict=True)
        return [torch.cat(column) for column in columns]

    def moments(self) -> dict[str, dict[str, Tensor]]:
        """What the optimiser remembers, by kind and parameter; empty before the first step."""
        found: dict[str, dict[str, Tensor]] = {}
        for position, name in enumerate(self.names):
            states = [share.optimizer.state[share.parameters[position]] for share in self.shares]
            for key, value in states[0].items():
                whole = torch.cat([state[key] for state in states]) if value.ndim else value
                found.setdefault(key, {})[name] = whole
        return found

    @torch.no_grad()
    def load_moments(self, moments: dict[str, dict[str, Tensor]]) -> None:
        """Take over the `moments` of another optimiser."""
        for position, name in enumerate(self.names):
            for index, share in enumerate(self.shares):
                parameter = share.parameters[position]
                share.optimizer.state[parameter] = {
                    key: _piece(values[name], index, len(self.shares), parameter)
                    for key, values in moments.items()
                }


def _split(tensors: list[Tensor], count: int) -> list[list[Tensor]]:
    """Every tensor's rows in `count` parts, possibly empty: a list per part."""
    pieces = [tensor.tensor_split(count) for tensor in tensors]
    return [[piece[i] for piece in pieces] for i in range(count)]


def _piece(value: Tensor, index: int, count: int, parameter: Tensor) -> Tensor:
    """A tensor on the parameter's device, in its memory layout: equal sums have equal bits."""
    if not value.ndim:
        return value.clone()
    return torch.empty_like(parameter).copy_(value.tensor_split(count)[index])


def _make_optimizer(
    parameters: list[nn.Parameter], settings: OptimizerSettings
) -> torch.optim.Optimizer:
    rate, eps = float(settings.learning_rate), float(settings.optimizer_eps)
    if settings.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate, eps=eps, fused=True)
    return torch.optim.RMSprop(
        parameters, lr=rate, alpha=RMSPROP_DECAY, eps=eps, centered=True, foreach=True
    )
