"""Where the cells of an audit are made, and what they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from sap_rl.atari.fleet import Fleet
from sap_rl.audit.frames import Exam, examine, look, measure
from sap_rl.audit.games import play_games, playing_games, record_play
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import Entry
from sap_rl.plain import to_plain
from sap_rl.play.arms import Arm, ArmName
from sap_rl.play.frames import FITTING
from sap_rl.play.noise_control import matching_sigma
from sap_rl.play.players import Players
from sap_rl.seeds import numpy_stream, stream_seed
from sap_rl.types import PixelArray


class Workshop:
    """Makes cells as plain JSON; recorded frames and emulators are made when first needed.

    players: from whose games frames are recorded; apart: cells are made in threads, each with
    modules of its own. `exam` and `recorded` are to be asked for before, in one thread.
    """

    def __init__(
        self, players: Players, settings: AuditSettings, names: Sequence[ArmName], *, apart: bool
    ) -> None:
        self.players, self.settings, self.names, self.apart = players, settings, list(names), apart
        self.fitting = min(FITTING, settings.frames_each)
        self._pixels: PixelArray | None = None
        self._exams: dict[ArmName, Exam] = {}
        self._fleets: dict[int, Fleet] = {}

    def recorded(self) -> PixelArray:
        """`fitting` frames for patterns, then those that are measured."""
        if self._pixels is None:
            count = self.settings.frames_each + self.fitting
            self._pixels = record_play(self.players, self.settings, self.names, count=count)
            self.players.recorded = self._pixels[: self.fitting]
        return self._pixels

    def exam(self, player: ArmName) -> Exam:
        """What is known of a player's frames without an attack."""
        if player not in self._exams:
            self._exams[player] = examine(self.players, player, self.recorded()[self.fitting :])
        return self._exams[player]

    def measure(
        self, _place: int, player: ArmName, entry: Entry | None, lam: float
    ) -> dict[str, Any]:  # fmt: skip
        """Stage 1: what an attack does to a player's recorded frames."""
        assert entry is not None
        result = measure(self._players(), self.exam(player), entry, lam).rounded()
        cell: dict[str, Any] = to_plain(result)
        return cell

    def match(
        self, _place: int, player: ArmName, _entry: Entry | None, _lam: float
    ) -> dict[str, Any]:  # fmt: skip
        """The control's noise on Q: it flips as often as the player on the recorded frames."""
        shown = torch.from_numpy(self.recorded()[self.fitting :])
        twin = self.players.agent(player).reseeded(stream_seed(self.settings.seed, "meter"))
        actions = look(twin, shown, 2).actions
        values = look(self.players.plain, shown, 1).values
        rng = numpy_stream(self.settings.seed, "match")
        rate = float((actions[0] != actions[1]).mean())
        return {"sigma": matching_sigma(values, rate, rng=rng), "rate": rate}

    def play(
        self, place: int, player: ArmName, entry: Entry | None, lam: float
    ) -> dict[str, Any]:  # fmt: skip
        """Stage 2: a player's games under an attack, or its clean play where the entry is None."""
        settings = self.settings.games()
        if place not in self._fleets:
            self._fleets[place] = playing_games(self.players, settings)
        arm = Arm(player, lam, entry.victim if entry else None)
        row = play_games(self._players(), settings, arm, entry, self._fleets[place])
        cell: dict[str, Any] = to_plain(row)
        return cell

    def close(self) -> None:
        """Close the emulators; new ones are made when needed again."""
        for fleet in self._fleets.values():
            fleet.close()
        self._fleets.clear()

    def _players(self) -> Players:
        return self.players.apart() if self.apart else self.players
