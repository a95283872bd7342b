"""Gradients with respect to frames, averaged over a random network's passes."""

from __future__ import annotations

import torch
from torch import Tensor

from sap_rl.attacks.objectives import Objective
from sap_rl.types import Actions, QFunction, QValues, UnitFrames

RANDOM_GRAD_SAMPLES = 10
"""Passes averaged per gradient of a random victim where the caller does not say."""

MAX_ROWS = 1024
"""Rows per pass when samples are folded into the batch: bounds memory (300 MB on Nature)."""


def input_gradient(
    q: QFunction,
    obs: UnitFrames,
    label: Actions | None,
    objective: Objective,
    *,
    grad_samples: int = 1,
) -> tuple[UnitFrames, Actions]:
    """Gradient of the objective's mean over `grad_samples` passes, and the label it was taken at.

    label None: the argmax of q's own mean over those passes (over the first MAX_ROWS rows of them
    where they do not fit at once). Samples are folded into the batch. Parameters' `.grad` is
    untouched. Expectation over transformation: Athalye et al. 2018, arXiv 1802.00420.
    """
    x = obs.detach().requires_grad_(True)
    at_once = max(1, MAX_ROWS // len(obs))
    total = torch.zeros_like(obs)
    for start in range(0, grad_samples, at_once):
        samples = min(at_once, grad_samples - start)
        with torch.enable_grad():
            values = q(repeat_rows(x, samples))
            if label is None:
                label = greedy(values.detach(), samples)
            loss = objective(values, label.repeat(samples)).sum()
        total += torch.autograd.grad(loss, x)[0]
    assert label is not None
    return total / grad_samples, label


def mean_values(q: QFunction, obs: UnitFrames, *, samples: int = 1) -> QValues:
    """Action values averaged over `samples` passes, without a graph."""
    with torch.no_grad():
        values = q(repeat_rows(obs, samples))
    mean: Tensor = values.view(samples, len(obs), -1).mean(0)
    return mean


def greedy(values: QValues, samples: int) -> Actions:
    """Argmax of the mean over `samples` passes folded into the batch [samples * B, A] -> [B]."""
    return values.view(samples, -1, values.shape[1]).mean(0).argmax(1)


def repeat_rows(obs: UnitFrames, samples: int) -> UnitFrames:
    """[B, ...] -> [samples * B, ...], the whole batch after itself."""
    return obs if samples == 1 else obs.repeat(samples, *(1,) * (obs.ndim - 1))


def is_random(q: QFunction, obs: UnitFrames) -> bool:
    """Whether two passes over the same frames differ."""
    with torch.no_grad():
        return not torch.equal(q(obs), q(obs))


def default_grad_samples(q: QFunction, obs: UnitFrames) -> int:
    """10 where q is random on these frames, else 1."""
    return RANDOM_GRAD_SAMPLES if is_random(q, obs) else 1
