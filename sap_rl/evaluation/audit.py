"""An audit: the suite on recorded frames, then its strongest attacks in games, cell by cell."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from sap_rl.agents import Agent
from sap_rl.errors import UsageError
from sap_rl.evaluation.arms import Arm, ArmName, Cast, matching_sigma
from sap_rl.evaluation.audit_card import AuditCard, make_card
from sap_rl.evaluation.audit_checks import ORIGINAL, UNBOUNDED
from sap_rl.evaluation.audit_games import play_games, playing_games, record_play, sampler_of
from sap_rl.evaluation.audit_settings import AuditSettings
from sap_rl.evaluation.audit_worst import GameCell
from sap_rl.evaluation.cells import Cells
from sap_rl.evaluation.evaluate import Stage, versions
from sap_rl.evaluation.frame_stage import (
    Exam,
    FrameResult,
    examine,
    frame_result,
    look,
    measure,
)
from sap_rl.evaluation.frames import FITTING
from sap_rl.evaluation.results import row_from_json
from sap_rl.evaluation.suite import BEST_OWN, Entry, Kind, applied, opponents, strongest
from sap_rl.machine import keep_freed_memory
from sap_rl.seeds import numpy_stream, stream_seed
from sap_rl.types import PixelArray


@dataclass(frozen=True)
class CellEnded:
    """One cell is done: its name, its number, and what it found.

    seconds: None where it was found in the folder.
    """

    name: str
    number: int
    text: str
    seconds: float | None


@dataclass
class Audit:
    """One audit in progress: `run` it, and ask for the `card` at any moment.

    agent: the original; settings: what to do; folder: where finished cells are kept, None keeps
    nothing. Raises UsageError at once if they do not fit.
    """

    agent: Agent
    settings: AuditSettings
    folder: Path | None = None
    frames: list[FrameResult] = field(default_factory=list)
    games: list[GameCell] = field(default_factory=list)
    complete: bool = False
    _pixels: PixelArray | None = None
    _envs: Any = None

    def __post_init__(self) -> None:
        if self.folder is not None and self.agent.sha256 is None:
            raise UsageError("an agent without a file cannot be told apart: keep no cells of it")
        self.cast: Cast = Stage(self.agent, self.settings.games()).cast
        self.cells = Cells(self.folder)
        original = replace(ORIGINAL, random=self.cast.random("original"))
        self.kinds: dict[ArmName, Kind] = {"original": original}
        if self.settings.defense is not None:
            pruned = hasattr(self.cast.agent("defended").module, "backward")
            defended = Kind(self.cast.random("defended"), pruned, undefended=False)
            self.kinds = {"defended": defended, "original": original, "matched": original}
        self.count = 0

    def run(self) -> Iterator[CellEnded]:
        """Both stages; may be abandoned at any moment and run again on the same folder."""
        keep_freed_memory()
        yield from self._stage_1()
        if self.settings.defense is not None:
            yield self._match()
        try:
            yield from self._stage_2()
        finally:
            if self._envs is not None:
                self._envs.close()
                self._envs = None
        self.complete = True

    def card(self) -> AuditCard:
        """What is known by now."""
        s = self.settings
        config = asdict(s) | {
            "lams": s.budgets,
            "episodes": s.episodes_each,
            "frames": s.frames_each,
            "agent": self.agent.name,
            "agent_sha256": self.agent.sha256,
            "threads": torch.get_num_threads(),
            "sigma": self._sigma(),
        }
        kinds: dict[str, Kind] = {str(name): kind for name, kind in self.kinds.items()}
        return make_card(
            config, versions(), self.frames, self.games, kinds, complete=self.complete
        )  # fmt: skip

    def _stage_1(self) -> Iterator[CellEnded]:
        exams: dict[ArmName, Exam] = {}
        for lam in (*self.settings.budgets, UNBOUNDED):
            for player in [name for name in self.kinds if name != "matched"]:
                kind = self.kinds[player]
                entries = [BEST_OWN.against(kind)] if lam == UNBOUNDED else applied(kind)
                for entry in entries:

                    def attack(
                        player: ArmName = player, entry: Entry = entry, lam: float = lam
                    ) -> dict[str, Any]:
                        if player not in exams:
                            shown = self._recorded()[self._fitting :]
                            exams[player] = examine(self.cast, player, shown)
                        return measure(self.cast, exams[player], entry, lam).to_json()

                    cell, seconds = self._kept(self._facts("frames", player, entry, lam), attack)
                    result = frame_result(cell)
                    self.frames.append(result)
                    text = (
                        f"flips {result.flip_rate:.0%}, margin lost {result.mean_margin_lost:.4f}"
                    )
                    yield self._ended(f"frames: {player}, {entry.title}", lam, text, seconds)

    def _match(self) -> CellEnded:
        """Cast the control: noise on Q that flips as often, on the recorded frames."""

        def match() -> dict[str, Any]:
            shown = torch.from_numpy(self._recorded()[self._fitting :])
            twin = self.cast.agent("defended").reseeded(stream_seed(self.settings.seed, "meter"))
            actions = look(twin, shown, 2).actions
            values = look(self.cast.original, shown, 1).values
            rng = numpy_stream(self.settings.seed, "match")
            rate = float((actions[0] != actions[1]).mean())
            return {"sigma": matching_sigma(values, rate, rng=rng), "rate": rate}

        cell, seconds = self._kept(self._facts("matched", "defended", None, 0.0), match)
        spelled = f"q-noise-{cell['sigma']:.4g}"
        self.cast.matched = self.cast.original.defend(spelled, seed=self.cast.seed)
        return self._ended("matched noise", 0.0, f"sigma {cell['sigma']:.4g}", seconds)

    def _stage_2(self) -> Iterator[CellEnded]:
        players: list[ArmName] = ["random", *self.kinds]
        for player in players:
            yield self._play(player, None, 0.0)
        for lam in self.settings.budgets:
            for player, entries in self._pairings(lam).items():
                for entry in entries:
                    yield self._play(player, entry, lam)

    def _pairings(self, lam: float) -> dict[ArmName, list[Entry]]:
        """Who meets what in games, beside what always plays.

        The audited player the strongest on it; the original these as they apply and the strongest
        on itself; the control the strongest one on either.
        """
        own = self._strongest("original", lam)
        if "defended" not in self.kinds:
            return {"original": opponents(self.kinds["original"], own)}
        picked = self._strongest("defended", lam)
        more = {"defended": picked, "original": [*picked, own[0]], "matched": [picked[0], own[0]]}
        found = {player: opponents(kind, more[player]) for player, kind in self.kinds.items()}
        # Noise on frames says nothing about noise on Q.
        found["matched"] = [entry for entry in found["matched"] if entry.attack != "noise"]
        return found

    def _strongest(self, player: ArmName, lam: float) -> list[Entry]:
        lost = {
            result.title: result.mean_value_lost
            for result in self.frames
            if (result.player, result.lam) == (player, lam)
        }
        return strongest(self.kinds[player], lost, self.settings.strongest)

    def _play(self, player: ArmName, entry: Entry | None, lam: float) -> CellEnded:
        def play() -> dict[str, Any]:
            if entry is not None and entry.attack == "universal":
                self._recorded()
            arm = Arm(player, lam, entry.victim if entry else None)
            settings = self.settings.games()
            if self._envs is None:
                self._envs = playing_games(self.cast, settings)
            return asdict(play_games(self.cast, settings, arm, entry, self._envs))

        cell, seconds = self._kept(self._facts("games", player, entry, lam), play)
        row, title = row_from_json(cell), entry.title if entry else "none"
        self.games.append(GameCell(player, title, lam, row))
        return self._ended(f"games: {player}, {title}", lam, f"return {row.mean:.1f}", seconds)

    def _recorded(self) -> PixelArray:
        """FITTING frames for patterns at most, then those that are measured."""
        if self._pixels is None:
            players: list[ArmName] = [name for name in self.kinds if name != "matched"]
            count = self.settings.frames_each + self._fitting
            self._pixels = record_play(self.cast, self.settings, players, count=count)
            self.cast.recorded = self._pixels[: self._fitting]
        return self._pixels

    @property
    def _fitting(self) -> int:
        return min(FITTING, self.settings.frames_each)

    def _kept(
        self, facts: dict[str, Any], make: Callable[[], dict[str, Any]]
    ) -> tuple[dict[str, Any], float | None]:
        """A cell from the folder, else made and stored there; and the seconds that took."""
        stored = self.cells.load(facts)
        if stored is not None:
            return stored, None
        started = time.perf_counter()
        made = make()
        self.cells.store(facts, made)
        return made, time.perf_counter() - started

    def _facts(
        self, kind: str, player: ArmName, entry: Entry | None, lam: float
    ) -> dict[str, Any]:  # fmt: skip
        """Everything that determines a cell."""
        s = self.settings
        known: dict[str, Any] = {
            "kind": kind,
            "player": player,
            "entry": asdict(entry) if entry else None,
            "lambda": lam,
            "agent": self.agent.sha256,
            "game": s.game,
            "seed": s.seed,
            "precision": s.precision,
            "protocol": asdict(s.protocol),
            "threads": torch.get_num_threads(),
            "device": str(self.agent.device),
            "versions": versions(),
        }
        # Frames are recorded from the defended player's games, too.
        if player == "defended" or kind != "games" or (entry and entry.attack == "universal"):
            sampler = sampler_of(self.cast.agent("defended")) if s.defense else None
            known |= {"defense": [s.defense, s.defense_options, sampler]}
        if kind == "games":
            known |= {"episodes": s.episodes_each}
            known |= {"sigma": self._sigma()} if player == "matched" else {}
        if kind != "games" or (entry and entry.attack == "universal"):
            known |= {"frames": s.frames_each, "every": s.every}
        return known

    def _sigma(self) -> float | None:
        matched = self.cast.matched
        return None if matched is None else float(matched.module.sigma)  # type: ignore[arg-type]

    def _ended(self, name: str, lam: float, text: str, seconds: float | None) -> CellEnded:
        self.count += 1
        return CellEnded(f"{name}, lambda {lam:g}", self.count, text, seconds)
