"""The games behind an agent's stated score, for those who write cards."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sap_rl.agents import Agent
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.run import ArmPlayed, EvaluationRun
from sap_rl.evaluation.settings import Settings
from sap_rl.play.rollout import Episode
from sap_rl.zoo.score import SCORE_SEED, score_facts, score_settings


@dataclass(frozen=True)
class GamePlayed:
    """One game of an export or an import is over: `done` of `total`."""

    done: int
    total: int


@dataclass(frozen=True)
class CandidatePlayed:
    """A checkpoint's games are over; score: their mean."""

    steps: int
    score: float
    episodes: int


@dataclass(frozen=True)
class Scored:
    """The score under one cap, as the agent will be loaded; steps: None where nobody knows them."""

    steps: int | None
    max_frames: int
    row: Row


ExportEvent = GamePlayed | CandidatePlayed | Scored


@dataclass
class Scoring:
    """Plays for scores and counts its games.

    name: of the agent's folder; episodes: behind every score; caps: table of the card -> cap in
    emulator frames, the longest first; total: games in all.
    """

    name: str
    game: str
    episodes: int
    caps: Mapping[str, int]
    total: int
    done: int = 0

    def measure(
        self, agent: Agent, steps: int | None = None
    ) -> Generator[ExportEvent, None, dict[str, Any]]:
        """Play for the score under every cap; returns the card's table."""
        tables: dict[str, Any] = {}
        row: Row | None = None
        for name, cap in self.caps.items():
            plan = score_settings(
                self.game, episodes=self.episodes, seed=SCORE_SEED, max_frames=cap,
                sticky_actions=agent.preprocess.sticky_actions,
            )  # fmt: skip
            frameskip = agent.preprocess.frameskip
            if row is None or max(row.lengths) * frameskip > cap:  # else the same games
                row = yield from self.play(agent, plan)
            else:
                self.done += self.episodes
                yield GamePlayed(self.done, self.total)
            yield Scored(steps, cap, row)
            tables[name] = score_facts(self.name, row, plan)
        return {"score": tables}

    def rivals(
        self, agents: Sequence[Agent], *, seed: int
    ) -> Generator[ExportEvent, None, list[Row]]:
        """Play the same games with every agent, under the longest cap and without sticky actions;
        returns their rows, paired by episode."""
        plan = score_settings(
            self.game, episodes=self.episodes, seed=seed, max_frames=max(self.caps.values())
        )
        rows = []
        for agent in agents:
            row = yield from self.play(agent, plan)
            rows.append(row)
        return rows

    def play(self, agent: Agent, plan: Settings) -> Generator[ExportEvent, None, Row]:
        """Play a plan's games; returns the row of its largest lambda."""
        run = EvaluationRun(agent, plan)
        for event in run.play():
            if isinstance(event, ArmPlayed) and isinstance(event.what, Episode):
                self.done += 1
                yield GamePlayed(self.done, self.total)
        return run.rows[-1]
