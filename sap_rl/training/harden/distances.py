"""What a hardened network is trained towards: the teacher's values of the clean frame.

Every loss takes the student's values on frames that may be tampered with, and the teacher's on the
clean ones; the perturbation that raises it most is the next one to learn from.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional as F

from sap_rl.attacks.objectives import divergence, margin
from sap_rl.training.names import Distance
from sap_rl.types import PerExample, QValues

DistillationLoss = Callable[[QValues, QValues], PerExample]
"""(student's values [B, A], teacher's values of the clean frames [B, A]) -> loss [B]."""


def policy_distance(q: QValues, teacher: QValues, *, temperature: float) -> PerExample:
    """KL(softmax(teacher / T) || softmax(q / T)) (Rusu et al. 2016, arXiv 1511.06295)."""
    return divergence(q, teacher, temperature=temperature)


def value_distance(q: QValues, teacher: QValues, *, temperature: float) -> PerExample:
    """Huber loss (threshold: the temperature) of the values, over the temperature; mean over A."""
    return F.huber_loss(q, teacher, reduction="none", delta=temperature).mean(1) / temperature


def margin_distance(q: QValues, teacher: QValues, *, temperature: float) -> PerExample:
    """How far the student's gap between the teacher's action and the next best falls short of the
    teacher's own gap, over the temperature; 0 where it does not."""
    label = teacher.argmax(1)
    return torch.relu(margin(q, label) - margin(teacher, label)) / temperature


DISTANCES: dict[Distance, Callable[..., PerExample]] = {
    "policy": policy_distance,
    "value": value_distance,
    "margin": margin_distance,
}


def make_distance(name: Distance, *, temperature: float, value_weight: float) -> DistillationLoss:
    """The distance of that name plus `value_weight` times the Huber loss (threshold 1) of values.

    Without the second part a student may drift: a policy does not know where its values lie.
    """
    main = partial(DISTANCES[name], temperature=temperature)
    if not value_weight:
        return main

    def both(q: QValues, teacher: QValues) -> PerExample:
        anchor = value_distance(q, teacher, temperature=1.0)
        found: PerExample = main(q, teacher) + value_weight * anchor
        return found

    return both
