"""An audit: the suite on recorded frames, then its strongest attacks in games, cell by cell."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sap_rl.agents import Agent
from sap_rl.audit.card import AuditCard, AuditFacts
from sap_rl.audit.cells import NOISE_CELL, AuditCell, CellFacts, GameCells, of_today
from sap_rl.audit.checks import ORIGINAL, UNBOUNDED
from sap_rl.audit.ended import CellEnded, Found, OnFrames, cell_ended
from sap_rl.audit.frames import FrameResult, measure
from sap_rl.audit.profile import camera_cells, half_left
from sap_rl.audit.proof import Proven, proof_cells, prove
from sap_rl.audit.recorded import CleanFrames, clean_frames, noise_sigma, record_play
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import (
    BEST_OWN,
    NOISE,
    Entry,
    Kind,
    applied,
    opponents,
    outsiders,
    strongest,
    suite_for,
)
from sap_rl.audit.worst import GameResult, clean_returns, mean_return
from sap_rl.defenses.defended import backwards_of
from sap_rl.defenses.names import NOISE_CONTROL
from sap_rl.errors import UsageError
from sap_rl.evaluation.code_version import code_version
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.evaluation.run import EvaluationRun, versions
from sap_rl.files import check_folder
from sap_rl.machine import commit, keep_freed_memory
from sap_rl.plain import from_plain, to_plain
from sap_rl.play.arms import ArmName
from sap_rl.play.defended_name import parse_defended_player
from sap_rl.play.frames import FITTING
from sap_rl.play.noise_control import add_noise_control
from sap_rl.play.rollout import Episode, Step
from sap_rl.play.threads import Job, side_by_side
from sap_rl.store.cells import KeptResults
from sap_rl.store.store import Store
from sap_rl.types import PixelArray

STORE = "audit.sqlite"
"""The store of the games in an audit's folder; results on frames lie beside it, a file each."""

Event = Step | Episode | Found
"""What happens on the way to what a cell finds, and at last this."""


@dataclass
class Audit:
    """One audit in progress: `run` it, and ask for the `card` at any moment.

    agent: the original; settings: what to do; folder: where finished cells are kept, None keeps
    nothing. Raises UsageError at once if they do not fit.
    """

    agent: Agent
    settings: AuditSettings
    folder: Path | None = None
    complete: bool = False
    _found: dict[AuditCell, Any] = field(default_factory=dict)
    _clean: dict[ArmName, CleanFrames] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.folder is not None:
            if self.agent.sha256 is None:
                raise UsageError(
                    "an agent without a file cannot be told apart: keep no cells of it"
                )
            check_folder(self.folder)
        plays = EvaluationRun(self.agent, self.settings.games())
        self.settings = replace(self.settings, protocol=plays.settings.protocol)
        self.facts = CellFacts(plays, self.settings)
        self.players, self.threads = plays.players, plays.threads
        original = replace(ORIGINAL, random=self.players.random("original"))
        self.kinds: dict[ArmName, Kind] = {"original": original}
        if self.settings.defense is not None:
            backwards = backwards_of(self.players.agent("defended").module)
            defended = Kind(self.players.random("defended"), backwards, undefended=False)
            self.kinds = {"defended": defended, "original": original}
            if defended.random:  # else the control's noise would be none
                self.kinds["noise-control"] = original
        another = self.settings.defense and parse_defended_player(self.settings.defense)[0]
        self.suite = suite_for(self.kinds.values(), trained=bool(another))
        self.outside = outsiders(self.settings.attack)

    @property
    def frames(self) -> list[FrameResult]:
        """What is known of stage 1, in the suite's order."""
        return list(self._known("frames").values())

    @property
    def games(self) -> list[GameResult]:
        """What is known of stage 2, in the order of players and attacks."""
        return self._results("games")

    @property
    def spoilt(self) -> list[GameResult]:
        """What is known of games through cameras, mild severities first."""
        return self._results("camera")

    def _results(self, stage: str) -> list[GameResult]:
        known = self._known(stage).items()
        return [GameResult(cell.player, cell.title, cell.lam, row) for cell, row in known]

    def _known(self, stage: str) -> dict[AuditCell, Any]:
        found = self._found.items()
        return {cell: it for cell, it in found if cell.stage == stage and it is not None}

    @cached_property
    def recorded(self) -> PixelArray:
        """The frames uint8 [N, K, H, W] that are measured; others are kept for patterns."""
        frames = self.settings.frames_each
        fitting = min(FITTING, frames)
        pixels = record_play(self.players, self.settings, self._measured, count=frames + fitting)
        self.players.recorded = pixels[:fitting]
        return pixels[fitting:]

    @property
    def _measured(self) -> list[ArmName]:
        """Those whose play is recorded and who are measured on frames: not the noise control."""
        return [name for name in self.kinds if name != "noise-control"]

    def run(self) -> Iterator[CellEnded]:
        """Both stages; may be abandoned at any moment and run again on the same folder.

        Cells are made side by side, one per thread that torch had at the start.
        """
        keep_freed_memory()
        with ExitStack() as stack:
            folder = self.folder or Path(stack.enter_context(TemporaryDirectory()))
            kept = KeptResults(folder, of_today)
            find, make = partial(self._find, kept), partial(self._measure, kept)
            yield from self._each(self.frame_cells(), find, make)
            yield from self._each(proof_cells(self.players, self.kinds, self.settings), find, make)
            if "noise-control" in self.kinds:
                yield from self._each([NOISE_CELL], find, make)
                add_noise_control(self.players, self._found[NOISE_CELL])
            store = stack.enter_context(Store(folder / STORE))
            games = stack.enter_context(closing(GameCells(self.facts, store, kept)))
            yield from self._each(self.game_cells(), games.find, games.play)
            if self.settings.corruptions:
                yield from self._through_cameras(games)
        self.complete = True

    def _through_cameras(self, games: GameCells) -> Iterator[CellEnded]:
        """Every corruption, from mild to severe, as long as a player keeps half of its reward."""
        clean = clean_returns(self.games)
        lost: set[tuple[str, str]] = set()
        while cells := camera_cells(self._measured, self._known("camera"), lost):
            yield from self._each(cells, games.find, games.play)
            for cell in cells:
                half = half_left(clean[cell.player], clean.get("random"))
                if mean_return(self._found[cell]) <= half:
                    lost.add((cell.title, cell.player))

    def card(self) -> AuditCard:
        """What is known by now."""
        s = self.settings
        played = replace(s, lams=s.budgets, episodes=s.episodes_each, frames=s.frames_each)
        about = AgentFacts.of(self.agent, self.players.defended, threads=self.threads)
        code = code_version(
            [self.agent, self.players.defended],
            attacks=dict.fromkeys(entry.attack for entry in (*self.suite, *self.outside)),
            defenses=[NOISE_CONTROL] if "noise-control" in self.kinds else [],
            corruptions=dict.fromkeys(result.title for result in self.spoilt),
        )
        facts = AuditFacts(played, about, Made(versions(), commit(), code), self.facts.sigma)
        kinds: dict[str, Kind] = {str(name): kind for name, kind in self.kinds.items()}
        results = (tuple(self.frames), tuple(self.games), kinds, tuple(self.spoilt))
        proven = tuple(self._known("certified").values())
        return AuditCard(facts, self.complete, *results, proven)

    def _each(
        self,
        cells: list[AuditCell],
        find: Callable[[AuditCell], Found | None],
        make: Callable[[AuditCell, int], Iterator[Event]],
    ) -> Iterator[CellEnded]:
        """Every cell: those that were kept first, the others made side by side.

        make: given a place as in `Job`.
        """

        def timed(cell: AuditCell, place: int) -> Iterator[tuple[AuditCell, Event, float]]:
            started = time.perf_counter()
            for event in make(cell, place):
                yield cell, event, time.perf_counter() - started

        self._found |= dict.fromkeys(cells)
        kept = {cell: result for cell in cells if (result := find(cell)) is not None}
        for cell, result in kept.items():
            yield self._ended(cell, result, None)
        missing = [cell for cell in cells if cell not in kept]
        self._prepare(missing)
        jobs = [Job(partial(timed, cell)) for cell in missing]
        for cell, event, seconds in side_by_side(jobs, min(self.threads, len(cells))):
            if not isinstance(event, Step | Episode):
                yield self._ended(cell, event, seconds)

    def _prepare(self, cells: list[AuditCell]) -> None:
        """Record, before threads begin, what these cells need of frames."""
        if any(cell.needs_frames or cell.on_frames for cell in cells):
            shown = self.recorded
        for player in {cell.player for cell in cells if cell.stage == "frames"}:
            self._clean[player] = clean_frames(self.players, player, shown)

    def _find(self, kept: KeptResults, cell: AuditCell) -> OnFrames | None:
        """What a cell on frames found before."""
        plain = kept.find(self.facts.on_frames(cell))
        if plain is None:
            return None
        if cell.stage == "noise-control":
            return float(plain["sigma"])
        return from_plain(FrameResult, plain) if cell.entry else from_plain(Proven, plain)

    def _measure(self, kept: KeptResults, cell: AuditCell, _place: int) -> Iterator[OnFrames]:
        """Make a cell on frames."""
        found: OnFrames
        if cell.stage == "noise-control":
            found = noise_sigma(self.players, self.recorded)
            plain = {"sigma": found}
        elif cell.entry is None:
            found = prove(self.players, cell, self.recorded, self.settings.certified_each)
            plain = to_plain(found)
        else:
            players = self.players.apart() if self.threads > 1 else self.players
            found = measure(players, self._clean[cell.player], cell.entry, cell.lam)
            plain = to_plain(found)
        kept.keep(self.facts.on_frames(cell), plain)
        yield found

    def frame_cells(self) -> list[AuditCell]:
        """The cells of stage 1."""
        cells = []
        for lam in (*self.settings.budgets, UNBOUNDED):
            for player in self._measured:
                kind = self.kinds[player]
                entries = applied(kind, (*self.suite, *self.outside))
                if lam == UNBOUNDED:
                    entries = [BEST_OWN.against(kind)]
                cells += [AuditCell("frames", player, entry, lam) for entry in entries]
        return cells

    def game_cells(self) -> list[AuditCell]:
        """The cells of stage 2, to be asked for when stage 1 is known."""
        players: list[ArmName] = ["random", *self.kinds]
        cells = [AuditCell("games", player) for player in players]
        for lam in self.settings.budgets:
            for player, entries in self._pairings(lam).items():
                cells += [AuditCell("games", player, entry, lam) for entry in entries]
        return cells

    def _pairings(self, lam: float) -> dict[ArmName, list[Entry]]:
        """Who meets what in games, beside what always plays.

        All an outsider's attack. The audited player the strongest on it; the original these as
        they apply and the strongest on itself; the control the strongest one on either.
        """
        own = self._strongest("original", lam)
        if "defended" not in self.kinds:
            return {"original": opponents(self.kinds["original"], [*own, *self.outside])}
        picked = self._strongest("defended", lam)
        control = [picked[0], own[0]]
        more = {"defended": picked, "original": [*picked, own[0]], "noise-control": control}
        found = {
            player: opponents(kind, [*more[player], *self.outside])
            for player, kind in self.kinds.items()
        }
        if "noise-control" in found:  # noise on frames says nothing about noise on Q
            found["noise-control"] = [e for e in found["noise-control"] if e.attack != NOISE.attack]
        return found

    def _strongest(self, player: ArmName, lam: float) -> list[Entry]:
        lost = {
            result.title: result.mean_value_lost
            for result in self.frames
            if (result.player, result.lam) == (player, lam)
        }
        return strongest(self.kinds[player], lost, self.settings.strongest, self.suite)

    def _ended(self, cell: AuditCell, found: Found, seconds: float | None) -> CellEnded:
        self._found[cell] = found
        number = sum(it is not None for it in self._found.values())
        return cell_ended(cell, found, number, seconds)
