"""Gradients with respect to frames, averaged over a random network's passes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from sap_rl.attacks.objectives import FromClean, Objective
from sap_rl.errors import UsageError
from sap_rl.types import Actions, PerExample, QFunction, QValues, Reference, UnitFrames

RANDOM_GRAD_SAMPLES = 10
"""Passes averaged per gradient of a random victim where the caller does not say."""

MAX_ROWS = 1024
"""Rows per call when passes are folded into the batch: bounds memory (300 MB on Nature)."""


def input_gradient(
    q: QFunction,
    obs: UnitFrames,
    label: Reference | None,
    objective: Objective,
    *,
    grad_samples: int = 1,
) -> tuple[UnitFrames, Reference]:
    """Gradient of the objective's mean over `grad_samples` passes, and the label it was taken at.

    label: what the objective is taken at, None for the argmax of q's own mean over those passes
    (over the first MAX_ROWS rows of them where they do not fit at once). Parameters' `.grad` is
    untouched. Raises UsageError if q's values carry no gradient. Athalye et al. 2018 (arXiv
    1802.00420): expectation over transformation.
    """
    _, found, label = value_and_gradient(q, obs, label, objective, grad_samples=grad_samples)
    return found, label


def value_and_gradient(
    q: QFunction,
    obs: UnitFrames,
    label: Reference | None,
    objective: Objective,
    *,
    grad_samples: int = 1,
) -> tuple[PerExample, UnitFrames, Reference]:
    """The objective's mean [B], then what `input_gradient` returns, all over the same passes."""
    x = obs.detach().requires_grad_(True)
    total: UnitFrames | None = None
    value = torch.zeros(len(obs), device=obs.device)
    with torch.enable_grad():
        for values in passes(q, x, grad_samples):
            samples = len(values) // len(obs)
            if label is None:
                label = greedy(values.detach(), samples)
            losses = objective(values, repeat_rows(label, samples))
            loss = losses.sum()
            found = None
            if loss.requires_grad:
                (found,) = torch.autograd.grad(loss, x, allow_unused=True)
            if found is None:
                raise UsageError(
                    "the victim's values carry no gradient, which this attack needs (no gradient "
                    "reaches the frames: use square or spsa)"
                )
            total = found if total is None else total + found
            value += losses.detach().view(samples, -1).sum(0)
    assert label is not None
    assert total is not None
    if grad_samples > 1:
        total, value = total / grad_samples, value / grad_samples
    return value, total, label


def mean_values(q: QFunction, obs: UnitFrames, *, samples: int = 1) -> QValues:
    """Action values averaged over `samples` passes, without a graph."""
    with torch.no_grad():
        return averaged(q, obs, samples)


def averaged(q: QFunction, obs: UnitFrames, samples: int) -> QValues:
    """Action values [B, A] averaged over `samples` passes, differentiable."""
    folded = torch.cat(list(passes(q, obs, samples)))
    return folded.view(samples, len(obs), -1).mean(0)


def mean_objective(
    q: QFunction, obs: UnitFrames, label: Reference, objective: Objective, *, samples: int = 1
) -> PerExample:
    """The objective averaged over `samples` passes, without a graph."""
    with torch.no_grad():
        folded = torch.cat(list(passes(q, obs, samples)))
        return objective(folded, repeat_rows(label, samples)).view(samples, -1).mean(0)


def reference(
    q: QFunction, obs: UnitFrames, label: Reference | None, objective: Objective, *, samples: int
) -> Reference:
    """What the objective is taken at, from a look of `samples` passes at clean frames where the
    label alone does not say it."""
    if isinstance(objective, FromClean):
        return objective.at(mean_values(q, obs, samples=samples))
    return mean_values(q, obs, samples=samples).argmax(1) if label is None else label


def passes(q: QFunction, obs: UnitFrames, samples: int) -> Iterator[QValues]:
    """Action values [n * B, A] of n passes folded into the batch, until `samples` were made.

    A network that knows a cheaper way to n passes has a method `folded_passes(obs, n)`, and one
    that has less room than MAX_ROWS says so by `max_rows`. UsageError for an empty batch.
    """
    if not len(obs):
        raise UsageError(f"there are no frames to look at: the batch {list(obs.shape)} is empty")
    own = getattr(q, "folded_passes", None)
    at_once = max(1, getattr(q, "max_rows", MAX_ROWS) // len(obs))
    for start in range(0, samples, at_once):
        count = min(at_once, samples - start)
        yield own(obs, count) if callable(own) else q(repeat_rows(obs, count))


def greedy(values: Float[Tensor, "SB A"], samples: int) -> Actions:
    """Argmax of the mean over `samples` passes folded into the batch [samples * B, A] -> [B]."""
    return values.view(samples, -1, values.shape[1]).mean(0).argmax(1)


def repeat_rows(frames: Tensor, samples: int) -> Tensor:
    """[B, ...] -> [samples * B, ...], the whole batch after itself."""
    return frames if samples == 1 else frames.repeat(samples, *(1,) * (frames.ndim - 1))


def is_random(q: QFunction, obs: UnitFrames) -> bool:
    """Whether two passes over the same frames differ."""
    with torch.no_grad():
        return not torch.equal(q(obs), q(obs))


def default_grad_samples(q: QFunction, obs: UnitFrames) -> int:
    """10 where q is random on these frames, else 1."""
    return RANDOM_GRAD_SAMPLES if is_random(q, obs) else 1
