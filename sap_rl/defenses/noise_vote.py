"""Noise on frames, and a vote over draws of it."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from torch import Tensor, nn

from sap_rl.defenses.activations import copies_of
from sap_rl.defenses.defended import ActsOn, Defense, RandomDefended
from sap_rl.errors import UsageError, require_positive, unknown
from sap_rl.pixels import lam_to_eps
from sap_rl.schema import Option

Vote = Literal["mean", "median"]
VOTES: tuple[Vote, ...] = ("mean", "median")
MOST_ROWS = 1024
"""Noisy frames that are looked at together, which bounds memory."""


class NoiseVote(RandomDefended):
    """A network that looks at several noisy copies of each frame, see `noise_vote`."""

    acts_on: ClassVar[ActsOn] = "frames"

    def __init__(
        self, module: nn.Module, sigma: float, draws: int, vote: Vote, seed: int | None
    ) -> None:
        super().__init__(module, seed)
        self.sigma, self.draws, self.vote = sigma, draws, vote

    @property
    def sampler_version(self) -> str:
        """The way the noise is drawn, with a version."""
        return "gaussian/1"

    @property
    def max_rows(self) -> int:
        """Frames that a caller may give at once."""
        return max(1, MOST_ROWS // self.draws)

    def looks(self, obs: Tensor) -> Tensor:
        """Action values [draws, B, A] on noisy copies of the frames [B, K, H, W]."""
        copies = copies_of(obs, self.draws)
        noise = self.stream.normal(tuple(copies.shape), copies.device).to(copies.dtype)
        values: Tensor = self.module(copies + lam_to_eps(self.sigma) * noise)
        return values.view(self.draws, len(obs), -1)

    def forward(self, obs: Tensor) -> Tensor:
        looks = self.looks(obs)
        return looks.mean(0) if self.vote == "mean" else looks.quantile(0.5, 0)

    def extra_repr(self) -> str:
        return f"sigma={self.sigma:g}, draws={self.draws}, vote={self.vote!r}"


def noise_vote(
    module: nn.Module,
    *,
    sigma: Annotated[float, Option("standard deviation of the noise", unit="pixel values")] = 8,
    draws: Annotated[int, Option("noisy copies of a frame that vote", unit="passes")] = 8,
    vote: Annotated[Vote, Option("over the copies' action values")] = "mean",
    seed: int | None = None,
) -> NoiseVote:
    """Let noisy copies of each frame vote (Cohen et al. 2019, arXiv 1902.02918).

    Randomised smoothing over action values; the median is Chiang et al. 2020 (arXiv 2007.03730).
    Noise is independent for every pixel of the stack and is not cut off at black and white. One
    pass makes all draws, and a gradient goes through all of them. UsageError for unusable options.
    """
    if not (math.isfinite(sigma) and 0 < sigma <= 255):
        raise UsageError(f"sigma must lie above 0 and be at most 255, got {sigma:g}")
    require_positive("draws", draws)
    if vote not in VOTES:
        raise unknown("vote", vote, VOTES)
    return NoiseVote(module, float(sigma), draws, vote, seed)


DEFENSE = Defense(noise_vote, NoiseVote, strength="sigma")
