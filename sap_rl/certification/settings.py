"""What a certification is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from sap_rl.atari.protocol import Protocol
from sap_rl.errors import UsageError
from sap_rl.evaluation.settings import Game, Seed
from sap_rl.pixels import PIXEL_MAX
from sap_rl.schema import Option, check, numbers

FRAMES = 512
LOOKS = 1000
LEAST_FRAMES = 32
"""Two games' worth of clean and of attacked play from each of the 16 that are recorded."""


@dataclass(frozen=True)
class CertifySettings:
    """One certification; UsageError for what cannot be computed."""

    game: Game
    lams: Annotated[
        tuple[float, ...], Option("budgets", "pixels 0..255", name="lambda", read=numbers)
    ] = (1.0,)
    frames: Annotated[
        int,
        Option(
            "recorded, half of them of clean and half of attacked play", within="count",
            name="attack_frames",
        ),
    ] = FRAMES  # fmt: skip
    steps: Annotated[
        int, Option("of PGD, twice, on frames that are not certified", within="count")
    ] = 40
    radius: Annotated[
        bool, Option("also the largest certified lambda of each frame, about 8 times as long")
    ] = False
    looks: Annotated[
        int, Option("noisy copies of each frame, under defence noise-vote", within="count")
    ] = LOOKS
    seed: Seed = 0
    protocol: Annotated[Protocol, Option("the rules of play, a `Protocol`", hidden=True)] = field(
        default_factory=Protocol
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.lams:
            raise UsageError("lambda is missing: say for example --lambda 1")
        for lam in self.lams:
            if not 0 < lam <= PIXEL_MAX:
                raise UsageError(f"lambda must lie above 0 and up to {PIXEL_MAX:g}, got {lam:g}")
        if self.frames < LEAST_FRAMES:
            raise UsageError(f"attack_frames must be at least {LEAST_FRAMES}, got {self.frames}")
        if self.looks < 2:
            raise UsageError(f"looks must be at least 2, got {self.looks}")
