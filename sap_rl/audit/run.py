"""An audit: the suite on recorded frames, then its strongest attacks in games, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from sap_rl.agents import Agent
from sap_rl.audit.card import AuditCard, AuditFacts, make_card
from sap_rl.audit.checks import ORIGINAL, UNBOUNDED
from sap_rl.audit.frames import FrameResult
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import (
    BEST_OWN,
    NOISE,
    PAPER,
    Entry,
    Kind,
    applied,
    opponents,
    strongest,
    suite_for,
)
from sap_rl.audit.workshop import Workshop
from sap_rl.audit.worst import GameCell
from sap_rl.defenses.defended import backwards_of, sampler_of
from sap_rl.defenses.names import NOISE_CONTROL
from sap_rl.errors import UsageError
from sap_rl.evaluation.code_version import AUDITED_BEFORE, code_version, keyed
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.run import EvaluationRun, versions
from sap_rl.machine import commit, keep_freed_memory
from sap_rl.plain import from_plain
from sap_rl.play.arms import ArmName, in_todays_names
from sap_rl.play.defended_name import parse_defended_player
from sap_rl.play.noise_control import add_noise_control
from sap_rl.play.players import Players
from sap_rl.store.cells import CellMade, CellPlan, Cells


@dataclass(frozen=True)
class CellEnded:
    """One cell is done: its name, its number, and what it found.

    seconds: None where it was found in the folder.
    """

    name: str
    number: int
    text: str
    seconds: float | None


@dataclass(frozen=True)
class _Plan(CellPlan):
    """A cell of an audit; entry: None for clean play."""

    player: ArmName = "original"
    entry: Entry | None = None
    lam: float = 0.0


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
    _frames: dict[str, FrameResult] = field(default_factory=dict)
    _games: dict[str, GameCell] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.folder is not None and self.agent.sha256 is None:
            raise UsageError("an agent without a file cannot be told apart: keep no cells of it")
        self.players: Players = EvaluationRun(self.agent, self.settings.games()).players
        self.cells = Cells(self.folder)
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
        self.threads = torch.get_num_threads()
        names: list[ArmName] = [name for name in self.kinds if name != "noise-control"]
        self.workshop = Workshop(self.players, self.settings, names, apart=self.threads > 1)
        self.order: list[str] = []
        self.count = 0

    @property
    def frames(self) -> list[FrameResult]:
        """What is known of stage 1, in the suite's order."""
        return [self._frames[name] for name in self.order if name in self._frames]

    @property
    def games(self) -> list[GameCell]:
        """What is known of stage 2, in the order of players and attacks."""
        return [self._games[name] for name in self.order if name in self._games]

    def run(self) -> Iterator[CellEnded]:
        """Both stages; may be abandoned at any moment and run again on the same folder.

        Cells are made side by side, one per thread that torch had at the start.
        """
        keep_freed_memory()
        for made in self._cells(self._frame_plans()):
            result = from_plain(FrameResult, made.cell)
            self._frames[made.plan.name] = result
            text = f"flips {result.flip_rate:.0%}, margin lost {result.mean_margin_lost:.4f}"
            yield self._ended(made, text)
        if "noise-control" in self.kinds:
            for made in self._cells([self._match_plan()]):
                add_noise_control(self.players, made.cell["sigma"])
                yield self._ended(made, f"sigma {made.cell['sigma']:.4g}")
        try:
            for made in self._cells(self._game_plans()):
                plan, row = made.plan, from_plain(Row, in_todays_names(made.cell))
                title = plan.entry.title if plan.entry else "none"
                self._games[plan.name] = GameCell(plan.player, title, plan.lam, row)
                yield self._ended(made, f"return {row.mean:.1f}")
        finally:
            self.workshop.close()
        self.complete = True

    def card(self) -> AuditCard:
        """What is known by now."""
        s = self.settings
        played = replace(s, lams=s.budgets, episodes=s.episodes_each, frames=s.frames_each)
        about = AgentFacts.of(self.agent, self.players.defended, threads=self.threads)
        code = code_version(
            [self.agent, self.players.defended],
            attacks=dict.fromkeys(entry.attack for entry in self.suite),
            defenses=[NOISE_CONTROL] if "noise-control" in self.kinds else [],
        )
        facts = AuditFacts(played, about, Made(versions(), commit(), code), self._sigma())
        kinds: dict[str, Kind] = {str(name): kind for name, kind in self.kinds.items()}
        return make_card(facts, self.frames, self.games, kinds, complete=self.complete)

    def _cells(self, plans: list[_Plan]) -> Iterator[CellMade[_Plan]]:
        self.order += [plan.name for plan in plans]
        return self.cells.run(plans, min(self.threads, len(plans)))

    def _frame_plans(self) -> list[_Plan]:
        plans = []
        for lam in (*self.settings.budgets, UNBOUNDED):
            for player in [name for name in self.kinds if name != "noise-control"]:
                kind = self.kinds[player]
                entries = (
                    [BEST_OWN.against(kind)] if lam == UNBOUNDED else applied(kind, self.suite)
                )
                for entry in entries:
                    plans.append(self._plan("frames", player, entry, lam))
        return plans

    def _match_plan(self) -> _Plan:
        return self._plan("noise-control", "defended", None, 0.0)

    def _game_plans(self) -> list[_Plan]:
        players: list[ArmName] = ["random", *self.kinds]
        plans = [self._plan("games", player, None, 0.0) for player in players]
        for lam in self.settings.budgets:
            for player, entries in self._pairings(lam).items():
                plans += [self._plan("games", player, entry, lam) for entry in entries]
        return plans

    def _plan(self, kind: str, player: ArmName, entry: Entry | None, lam: float) -> _Plan:
        title = {"noise-control": "noise of the noise control"}.get(kind) or (
            f"{kind}: {player}, {entry.title if entry else 'none'}"
        )
        work = self.workshop
        make = {"frames": work.measure, "noise-control": work.match, "games": work.play}[kind]
        prepare: dict[str, Callable[[], object]] = {
            "frames": lambda: work.exam(player),
            "noise-control": work.recorded,
            "games": work.recorded if entry and entry.needs_frames else lambda: None,
        }
        return _Plan(
            f"{title}, lambda {lam:g}",
            self._facts(kind, player, entry, lam),
            lambda place: make(place, player, entry, lam),
            prepare[kind],
            player,
            entry,
            lam,
        )

    def _pairings(self, lam: float) -> dict[ArmName, list[Entry]]:
        """Who meets what in games, beside what always plays.

        The audited player the strongest on it; the original these as they apply and the strongest
        on itself; the control the strongest one on either.
        """
        own = self._strongest("original", lam)
        if "defended" not in self.kinds:
            return {"original": opponents(self.kinds["original"], own)}
        picked = self._strongest("defended", lam)
        more = {
            "defended": picked,
            "original": [*picked, own[0]],
            "noise-control": [picked[0], own[0]],
        }
        found = {player: opponents(kind, more[player]) for player, kind in self.kinds.items()}
        if "noise-control" in found:  # noise on frames says nothing about noise on Q
            kept = [entry for entry in found["noise-control"] if entry.attack != NOISE.attack]
            found["noise-control"] = kept
        return found

    def _strongest(self, player: ArmName, lam: float) -> list[Entry]:
        lost = {
            result.title: result.mean_value_lost
            for result in self.frames
            if (result.player, result.lam) == (player, lam)
        }
        return strongest(self.kinds[player], lost, self.settings.strongest, self.suite)

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
            "threads": self.threads,
            "device": str(self.agent.device),
            "versions": versions(),
            "code": self._code(kind, player, entry),
        }
        # Frames are recorded from the defended player's games, too.
        if player == "defended" or kind != "games" or (entry and entry.needs_frames):
            sampler = sampler_of(self.players.agent("defended").module) if s.defense else None
            known |= {"defense": [s.defense, s.defense_options, sampler]}
            known |= self._contender()
        if kind == "games":
            known |= {"episodes": s.episodes_each}
            if player == "noise-control":  # noise on the other agent, where one plays as defended
                known |= {"sigma": self._sigma()} | self._contender()
        if kind != "games" or (entry and entry.needs_frames):
            known |= {"frames": s.frames_each, "every": s.every}
        return keyed(known, AUDITED_BEFORE)

    def _code(self, kind: str, player: ArmName, entry: Entry | None) -> str:
        """The versions of what takes part in a cell."""
        records = kind != "games" or (entry is not None and entry.needs_frames)
        behind = records or player in ("defended", "noise-control")
        return code_version(
            [self.agent, self.players.defended if behind else None],
            attacks=[*([PAPER.attack] if records else []), *([entry.attack] if entry else [])],
            defenses=[NOISE_CONTROL] if player == "noise-control" else [],
        )

    def _contender(self) -> dict[str, Any]:
        """The file's hash of another agent in the original's place; empty where there is none."""
        defended = self.players.defended
        own = defended is None or defended.sha256 == self.agent.sha256
        return {} if own else {"contender": defended.sha256}  # type: ignore[union-attr]

    def _sigma(self) -> float | None:
        control = self.players.noise_control
        return None if control is None else float(control.module.sigma)  # type: ignore[arg-type]

    def _ended(self, made: CellMade[_Plan], text: str) -> CellEnded:
        self.count += 1
        return CellEnded(made.plan.name, self.count, text, made.seconds)
