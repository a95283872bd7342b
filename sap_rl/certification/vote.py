"""Which actions of a vote over noisy frames no change of bounded length can alter.

Under Gaussian noise of standard deviation sigma a change of Euclidean length r moves the median of
an action's value no further than to its quantiles at Phi(-r / sigma) and Phi(r / sigma) (Chiang et
al. 2020, arXiv 2007.03730). Order statistics of the values on noisy copies bound these quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from scipy.special import betaincinv, ndtri
from torch import Tensor

from sap_rl.atari.protocol import Norm
from sap_rl.certification.frames import BATCH
from sap_rl.defenses.noise_vote import NoiseVote
from sap_rl.errors import UsageError
from sap_rl.types import UnitFrames

ALPHA = 1e-3
"""The chance, per frame, that some bound on it is wrong."""
AT_ONCE = 128
"""Noisy copies of a frame in one pass."""


class VoteCertifier:
    """Decides for frames of one vote, of infinitely many draws; UsageError unless it is a median.

    lambda is the root mean square of the changes of all pixels, norm `l2` of a `Threat`: every
    change within lambda per pixel is among them. looks: noisy copies of a frame, at least 2; their
    noise is the same for every frame, so that a frame is decided alike whenever it is asked about.
    """

    norm: ClassVar[Norm] = "l2"

    def __init__(self, vote: NoiseVote, looks: int, seed: int) -> None:
        if vote.vote != "median":
            raise UsageError(
                f"certify knows bounds of a median, not of a {vote.vote}: choose vote median"
            )
        self.noisy = NoiseVote(vote.module, vote.sigma, AT_ONCE, "median", seed)
        self.looks, self.seed = looks, seed

    def actions(self, obs: UnitFrames) -> Tensor:
        """The vote's action [B] on frames [B, K, H, W], -1 where so many looks do not tell."""
        decided = [self._decided(frame) for frame in torch.split(obs, 1)]
        told = [action if radius > 0 else -1 for action, radius in decided]
        return torch.tensor(told, device=obs.device)

    def shares(self, frames: UnitFrames, lam: float) -> Iterator[Tensor]:
        """Whether no change within lambda alters the action, for frames [N, K, H, W]; a part at a
        time."""
        for radius in self.radii(frames):
            yield radius >= lam

    def radii(self, frames: UnitFrames) -> Iterator[Tensor]:
        """The largest lambda at which each frame is certified, in pixels; a part at a time."""
        for obs in torch.split(frames, BATCH) if len(frames) else ():
            decided = [self._decided(frame)[1] for frame in torch.split(obs, 1)]
            yield torch.tensor(decided, device=obs.device)

    def _decided(self, frame: UnitFrames) -> tuple[int, float]:
        """The action on one frame that leads longest, and up to which lambda it does."""
        self.noisy.reseed(self.seed)
        with torch.no_grad():
            passes = math.ceil(self.looks / AT_ONCE)
            values = torch.cat([self.noisy.looks(frame) for _ in range(passes)])[: self.looks, 0]
        ordered = values.sort(0).values
        half = len(ordered) // 2
        low, high = ordered[:half], ordered.flip(0)[:half]  # [ranks, A], outermost first
        action = low.argmax(1, keepdim=True)
        leads = low.amax(1) > high.scatter(1, action, -torch.inf).amax(1)
        lams = lengths(self.looks, values.shape[1]) * self.noisy.sigma / frame.numel() ** 0.5
        radii = np.where(leads.cpu().numpy(), lams, 0.0)
        rank = int(radii.argmax())
        return int(action[rank]), float(radii[rank])


@cache
def lengths(looks: int, actions: int) -> np.ndarray:
    """Up to which length of a change [looks // 2], in standard deviations of the noise, the k-th
    smallest of so many looks lies below the median and the k-th largest above it.

    With probability 1 - ALPHA for all ranks k, both sides and all actions at once (Clopper and
    Pearson 1934, Bonferroni); 0 where not even without a change.
    """
    ranks = np.arange(1, looks // 2 + 1)
    alpha = ALPHA / (2 * actions * len(ranks))
    share = betaincinv(ranks, looks - ranks + 1, 1 - alpha)
    found: np.ndarray = np.maximum(-ndtri(share), 0.0)
    return found
