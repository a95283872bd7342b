"""The cells of an audit: what determines each, and its games, played and kept as a sweep's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sap_rl.atari.fleet import Fleet
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import PAPER, Entry
from sap_rl.defenses.defended import sampler_of
from sap_rl.evaluation.code_version import AUDITED_BEFORE, code_version, joined, keyed
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.evaluation.summary import make_row
from sap_rl.plain import from_plain
from sap_rl.play.arms import Arm, ArmName, in_todays_names
from sap_rl.play.rollout import Episode, Step
from sap_rl.store.cells import Facts, KeptResults, cell_key
from sap_rl.store.store import Store
from sap_rl.sweep.experiments import (
    DECIDING,
    deciding,
    deciding_packages,
    deciding_rules,
    made,
)  # fmt: skip
from sap_rl.sweep.worker import play_cell

BEFORE = {"contender": "defended_sha256", "versions": "packages"}
"""Facts that earlier versions called otherwise."""


@dataclass(frozen=True)
class AuditCell:
    """Whom an entry attacks at which lambda, None for clean play.

    stage: on recorded frames, by attacks or by bounds, finding the noise that flips as often as the
    player, in games, or in games through a camera that a corruption spoils; lam is then its
    severity.
    """

    stage: Literal["frames", "certified", "noise-control", "games", "camera"]
    player: ArmName
    entry: Entry | None = None
    lam: float = 0.0
    corruption: str | None = None

    @property
    def title(self) -> str:
        """The entry's name in tables, or the corruption's."""
        return self.corruption or (self.entry.title if self.entry else "none")

    @property
    def name(self) -> str:
        """The cell's name for people."""
        if self.stage == "noise-control":
            return "noise of the noise control, lambda 0"
        if self.corruption is not None or self.stage == "certified":
            return f"{self.stage}: {self.player}, {self.arm.level}"
        return f"{self.stage}: {self.player}, {self.title}, lambda {self.lam:g}"

    @property
    def arm(self) -> Arm:
        """The arm that its games are."""
        victim = self.entry.victim if self.entry else None
        return Arm(self.player, self.lam, victim, self.corruption)

    @property
    def needs_frames(self) -> bool:
        """Whether its games need frames that were recorded before."""
        return self.entry is not None and self.entry.needs_frames

    @property
    def on_frames(self) -> bool:
        """Whether recorded frames are what it looks at."""
        return self.stage in ("frames", "certified", "noise-control")

    def attacked(self, run: EvaluationRun) -> EvaluationRun:
        """The audit's agents under the cell's attack."""
        return self.entry.at_work(run) if self.entry else run


NOISE_CELL = AuditCell("noise-control", "defended")
"""Finds the noise of the noise control."""


@dataclass(frozen=True)
class CellFacts:
    """What determines the cells of one audit; run: its agents, without an attack."""

    run: EvaluationRun
    settings: AuditSettings

    def on_frames(self, cell: AuditCell) -> Facts:
        """Everything that determines a result on recorded frames."""
        code = self._recorded_by([cell.entry.attack] if cell.entry else [])
        facts = self._of_any(cell) | self._recorded() | {"code": code}
        if cell.stage == "certified":
            facts["certified"] = self.settings.certified_each
        return keyed(facts, AUDITED_BEFORE)

    def in_games(self, cell: AuditCell) -> Facts:
        """Everything that determines an arm's games, as a sweep has it.

        Where frames are recorded for the attack, the defended player took part in that.
        """
        facts = deciding(cell.attacked(self.run), cell.arm)
        if cell.player == "noise-control":
            facts |= {"sigma": self.sigma} | self._another()
        if cell.needs_frames:
            recorded = {**self._recorded(), "threads": self.run.threads}
            facts |= {"recorded": recorded, "code": joined([facts["code"], self._recorded_by([])])}
        return facts

    def in_games_before(self, cell: AuditCell, code: str) -> Facts:
        """The facts under which earlier versions kept an arm's games; code: of `in_games`."""
        facts = self._of_any(cell) | {"episodes": self.settings.episodes_each, "code": code}
        if cell.needs_frames:
            facts |= self._recorded()
        elif cell.player == "defended":
            facts |= {"defense": self._recorded()["defense"]} | self._another()
        if cell.player == "noise-control":
            facts |= {"sigma": self.sigma} | self._another()
        return keyed(facts, AUDITED_BEFORE)

    @property
    def sigma(self) -> float | None:
        """The noise on Q of the noise control, None before it is known."""
        control = self.run.players.noise_control
        return None if control is None else float(control.module.sigma)  # type: ignore[arg-type]

    def _of_any(self, cell: AuditCell) -> Facts:
        s = self.settings
        return {
            "kind": cell.stage,
            "player": cell.player,
            "entry": asdict(cell.entry) if cell.entry else None,
            "lambda": cell.lam,
            "agent": self.run.agent.sha256,
            "game": s.game,
            "seed": s.seed,
            "precision": s.precision,
            "protocol": deciding_rules(asdict(s.protocol)),
            "threads": self.run.threads,
            "device": str(self.run.agent.device),
            "packages": deciding_packages(),
        }

    def _recorded(self) -> Facts:
        """What determines the recorded frames, besides the agent and the protocol."""
        s, defended = self.settings, self.run.players.defended
        sampler = None if defended is None else sampler_of(defended.module)
        defense = [s.defense, s.defense_options, sampler]
        return {"defense": defense, "frames": s.frames_each, "every": s.every} | self._another()

    def _recorded_by(self, attacks: list[str]) -> str:
        """The versions of all that takes part on recorded frames."""
        agents = [self.run.agent, self.run.players.defended]
        return code_version(agents, attacks=[PAPER.attack, *attacks])

    def _another(self) -> Facts:
        """The file's hash of another agent in the original's place; empty where there is none."""
        defended = self.run.players.defended
        own = defended is None or defended.sha256 == self.run.agent.sha256
        return {} if own else {"defended_sha256": defended.sha256}  # type: ignore[union-attr]


def of_today(facts: Mapping[str, Any]) -> Facts:
    """Kept facts, of this or an earlier version, as they are spelled now."""
    found = {BEFORE.get(name, name): fact for name, fact in facts.items()}
    return found | {"packages": {name: found["packages"][name] for name in DECIDING}}


class GameCells:
    """Games of an audit in its store; before: where earlier versions kept them.

    Emulators are made where they are first needed, and to be closed.
    """

    def __init__(self, facts: CellFacts, store: Store, before: KeptResults) -> None:
        self.facts, self.store, self.before = facts, store, before
        self.run = facts.run
        self._fleets: dict[int, Fleet] = {}

    def find(self, cell: AuditCell) -> Row | None:
        """The row of a cell whose games are complete, None where some are missing."""
        facts = self.facts.in_games(cell)
        record = self.store.cell(cell_key(keyed(facts)))
        if record is not None and record.complete:
            return make_row(self.run.settings, cell.arm, record.facts, record.arm_stats)
        if "blocks" in facts:  # draws of their own, which games of earlier versions have not
            return None
        plain = self.before.find(self.facts.in_games_before(cell, facts["code"]))
        return None if plain is None else from_plain(Row, in_todays_names(plain))

    def play(self, cell: AuditCell, place: int) -> Iterator[Step | Episode | Row]:
        """Play the games that are missing, at a place of one's own; at last their row."""
        settings, facts = self.run.settings, self.facts.in_games(cell)
        with self._fleet(cell, place) as fleet:
            games = cell.attacked(self.run).games(cell.arm, fleet, range(settings.episodes))
            with Store(self.store.path) as store:  # SQLite wants a connection for each thread
                yield from play_cell(cell_key(keyed(facts)), facts | made(), games, store)
        yield make_row(settings, cell.arm, games.facts, games.arm_stats)

    @contextmanager
    def _fleet(self, cell: AuditCell, place: int) -> Iterator[Fleet]:
        """Emulators with the cell's cameras, or the one that its attack wants; others stay for the
        next cell."""
        run = cell.attacked(self.run)
        if cell.corruption is not None or run.settings.in_one_emulator:
            with closing(run.fleet(run.settings.parallel, cell.arm)) as seen:
                yield seen
            return
        if place not in self._fleets:
            self._fleets[place] = self.run.fleet(self.run.settings.parallel)
        yield self._fleets[place]

    def close(self) -> None:
        """Close the emulators."""
        for fleet in self._fleets.values():
            fleet.close()
