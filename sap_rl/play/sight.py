"""What a player sees through cameras that are corrupted, in the place of an adversary's frames."""

from __future__ import annotations

from sap_rl.atari.fleet import Fleet
from sap_rl.corruptions.sighting import Sighting
from sap_rl.types import Flags, Pixels


class Sight:
    """Looks through the cameras of a fleet, one call per step of the game."""

    attack = None

    def __init__(self, fleet: Fleet | None) -> None:
        assert fleet is not None, "an arm with a corruption needs the emulators' cameras"
        self.fleet = fleet

    def perturb(self, pixels: Pixels, first: Flags, rows: list[int]) -> Sighting:
        """What the cameras show in these rows, where the clean frames are `pixels` [B, K, H, W]."""
        assert self.fleet.seen is not None, "no camera looks at these environments"
        return Sighting.of(self.fleet.seen[rows], pixels)
