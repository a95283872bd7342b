"""The one way to an agent that others can load: chosen, rounded, measured, written."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sap_rl.agents import Agent, from_checkpoint, load_agent
from sap_rl.certification.run import certification_facts
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import make_row
from sap_rl.files import check_folder, made_beside
from sap_rl.networks.loaders.native import write_native
from sap_rl.play.policies import settled
from sap_rl.play.rollout import Episode
from sap_rl.training.curve import CURVE
from sap_rl.zoo.candidates import Candidate, hardened, of_run
from sap_rl.zoo.score import CAPS, CHOICE_SEED, SCORE_SEED, score_facts, score_settings
from sap_rl.zoo.settings import ExportSettings

ATTACKS_SHOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "fgsm": ("fgsm", {}),
    "pgd_20_margin": ("pgd", {"steps": 20, "objective": "margin"}),
}
"""Attacks under which a hardened agent's card states the return at the agent's own lambda; an audit
knows worse ones."""
FRAMES = 512
"""Frames of a hardened agent's own play, clean and attacked, on which actions are certified."""


@dataclass(frozen=True)
class GamePlayed:
    """One game of an export is over: `done` of `total`."""

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
class Games:
    """Counts the games that it plays, `done` of `total`."""

    total: int
    done: int = 0

    def play(self, agent: Agent, plan: Settings) -> Generator[ExportEvent, None, Row]:
        """Play a plan's games at its largest lambda; returns their row."""
        run = EvaluationRun(agent, plan)
        arm = run.arms[-1]
        run.prepare([arm])
        with closing(run.fleet(plan.parallel)) as fleet:
            games = run.games(arm, fleet, range(plan.episodes))
            for event in games.play():
                if isinstance(event, Episode):
                    yield self.more(1)
        return make_row(plan, arm, games.facts, games.arm_stats)

    def more(self, count: int) -> GamePlayed:
        """Count further games that are over."""
        self.done += count
        return GamePlayed(self.done, self.total)


class Export:
    """One export: iterate `run()`, then `folder` holds the agent.

    source: folder of a training or hardening, or what an import has read; out: where the agent's
    folder is made; name: of the agent, the game or `AGENT-hardened` by default; newest: so many of
    a training's latest checkpoints are candidates; choice_episodes: each plays, and the one with
    the highest mean is taken; episodes: other games, behind the stated score; attacked_episodes: of
    a hardened agent under each of ATTACKS_SHOWN. The agent's folder appears whole, after all games;
    an agent that it replaces stays until then. UsageError at once for a folder that holds no run,
    for one that cannot be written to, and for an agent of that name unless `replace`.
    """

    def __init__(
        self,
        source: Path | Candidate,
        out: Path,
        *,
        name: str | None = None,
        newest: int = ExportSettings.newest,
        choice_episodes: int = ExportSettings.choice_episodes,
        episodes: int = ExportSettings.episodes,
        attacked_episodes: int = ExportSettings.attacked_episodes,
        replace: bool = False,
    ) -> None:
        ExportSettings(newest, choice_episodes, episodes, attacked_episodes)  # refuses too few
        self.candidates = [source] if isinstance(source, Candidate) else of_run(source, newest)
        first = self.candidates[0].checkpoint
        self.game = str(first.game)
        self.folder = agent_folder(out, first.name if name is None else name, replace)
        self.choice_episodes, self.episodes = choice_episodes, episodes
        self.attacked_episodes = attacked_episodes
        self.games = Games(self.total)

    @property
    def total(self) -> int:
        """Games to be played, at most."""
        rehearsed = len(self.candidates) if len(self.candidates) > 1 else 0
        attacks = len(ATTACKS_SHOWN) if self.candidates[0].lam else 0
        return (
            rehearsed * self.choice_episodes
            + len(CAPS) * self.episodes
            + attacks * self.attacked_episodes
        )

    def run(self) -> Iterator[ExportEvent]:
        """Choose the checkpoint, measure it, write the agent's folder, and tell what happens."""
        chosen = self.candidates[0]
        if len(self.candidates) > 1:
            chosen = yield from self._choose()
        with made_beside(self.folder) as beside:
            agent = replace(write(beside, chosen, {}), name=self.folder.name)
            scores = yield from self._scores(agent, chosen.steps)
            if chosen.lam:
                scores |= yield from self._attacked(agent, chosen.lam)
            write(beside, chosen, scores)
            if chosen.curve is not None and chosen.curve.exists():
                shutil.copy(chosen.curve, beside / CURVE)

    def _choose(self) -> Generator[ExportEvent, None, Candidate]:
        """Play every candidate as it would be shipped; returns the best."""
        cap = max(CAPS.values())
        plan = score_settings(
            self.game, episodes=self.choice_episodes, seed=CHOICE_SEED, max_frames=cap
        )
        means: list[float] = []
        for candidate in self.candidates:
            module = copy.deepcopy(candidate.checkpoint.module).half().float()
            agent = from_checkpoint(replace(candidate.checkpoint, module=module))
            row = yield from self.games.play(agent, plan)
            means.append(row.mean or 0.0)
            yield CandidatePlayed(candidate.steps or 0, means[-1], row.episodes)
        return self.candidates[means.index(max(means))]

    def _scores(
        self, agent: Agent, steps: int | None
    ) -> Generator[ExportEvent, None, dict[str, Any]]:
        """Play for the score under every cap, the longest first; returns the card's table."""
        tables: dict[str, Any] = {}
        row: Row | None = None
        for name, cap in CAPS.items():
            plan = self._plan(agent, self.episodes, cap)
            if row is None or max(row.lengths) * agent.preprocess.frameskip > cap:
                row = yield from self.games.play(agent, plan)
            else:  # the same games
                yield self.games.more(self.episodes)
            yield Scored(steps, cap, row)
            tables[name] = score_facts(agent.name, row, plan)
        return {"score": tables}

    def _attacked(self, agent: Agent, lam: float) -> Generator[ExportEvent, None, dict[str, Any]]:
        """The return under each attack, and what is certified, as tables of the card."""
        tables: dict[str, Any] = {}
        plain = self._plan(agent, self.attacked_episodes, CAPS["cap_5_minutes"])
        for name, (attack, options) in ATTACKS_SHOWN.items():
            plan = replace(plain, lams=(lam,), attack=attack, attack_options=options)
            row = yield from self.games.play(agent, plan)
            tables[name] = score_facts(agent.name, row, plan)
        return {"attacked": tables} | certification_facts(agent, self.game, lam, frames=FRAMES)

    def _plan(self, agent: Agent, episodes: int, cap: int) -> Settings:
        plan = score_settings(
            self.game,
            episodes=episodes,
            seed=SCORE_SEED,
            max_frames=cap,
            sticky_actions=agent.preprocess.sticky_actions,
        )
        return replace(plan, protocol=settled(plan.protocol, agent))


def write_agent(run: Path) -> Path:
    """A hardening's student as an agent's folder within the run's, without measured scores."""
    found = hardened(run)
    folder = run / found.checkpoint.name
    write(folder, found, {})
    return folder


def write(folder: Path, candidate: Candidate, scores: dict[str, Any]) -> Agent:
    """Write a candidate with its card; the agent as whoever loads the folder will have it."""
    found = candidate.checkpoint
    write_native(
        folder,
        found.module,
        kind=found.kind,
        num_actions=found.num_actions,
        game=str(found.game),
        preprocess=found.preprocess,
        facts=candidate.tables | scores,
        scores=found.scores,
    )
    for name, text in candidate.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return load_agent(folder)


def agent_folder(out: Path, name: str, replace: bool) -> Path:
    """Where the agent will be; UsageError if it cannot be there."""
    if not name or Path(name).name != name or name.startswith("."):
        raise UsageError(f"an agent's name is a plain folder name, got '{name}'")
    folder = out / name
    check_folder(out)
    if folder.exists() or folder.is_symlink():
        if not replace:
            raise UsageError(f"'{folder}' is there already; replace it or take another name")
        if folder.is_symlink() or not (folder / "agent.toml").is_file():
            raise UsageError(f"'{folder}' is no agent's folder, so it is not replaced")
    return folder
