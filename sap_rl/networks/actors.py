"""An actor's logits as the distribution that they stand for."""

from __future__ import annotations

import numpy as np

from sap_rl.types import ActionArray, QValues


def chances(scores: QValues) -> np.ndarray:
    """The distribution [B, A] of an actor's logits, in double precision."""
    found: np.ndarray = scores.double().softmax(1).cpu().numpy()
    return found


def total_variation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The share of the chance [B] that lies on other actions: half the sum of absolute differences
    between two distributions [B, A]."""
    distance: np.ndarray = np.abs(first - second).sum(1) / 2
    return distance


def sampled(logits: QValues, rng: np.random.Generator) -> ActionArray:
    """Actions [B] drawn by the softmax of logits [B, A]: the largest with Gumbel noise added."""
    noise = rng.gumbel(size=tuple(logits.shape))
    found: ActionArray = (logits.double().cpu().numpy() + noise).argmax(1)
    return found
