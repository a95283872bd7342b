"""A certification: on frames of an agent's play, which actions are certified and which broken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sap_rl.agents import Agent
from sap_rl.attacks import make_attack
from sap_rl.attacks.threat import Threat
from sap_rl.certification.frames import BATCH, Certifier
from sap_rl.certification.results import PLAYS, Certificate, CertifyRow, Play
from sap_rl.certification.settings import CertifySettings
from sap_rl.certification.vote import VoteCertifier
from sap_rl.defenses.noise_vote import NoiseVote
from sap_rl.errors import UsageError
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.evaluation.run import versions
from sap_rl.machine import commit
from sap_rl.pixels import to_unit
from sap_rl.play.arms import Arm
from sap_rl.play.frames import GAMES, record, recording_games
from sap_rl.play.players import Players
from sap_rl.seeds import numpy_stream, torch_stream
from sap_rl.statistics.intervals import mean_interval
from sap_rl.types import UnitFrames

RECORDING = ("pgd", {"steps": 10, "objective": "margin"})
"""The attack under which the frames of attacked play are recorded."""
RESTARTS = 2
ATTACKED_AT_ONCE = 64


@dataclass(frozen=True)
class FramesDone:
    """So many of all bounds are computed."""

    done: int
    total: int


@dataclass
class Certification:
    """One certification; UsageError at once for an agent through which no bounds are known.

    Iterate `run()`, then ask for `result()`; it holds what was finished.
    """

    agent: Agent
    settings: CertifySettings

    def __post_init__(self) -> None:
        self.players = Players(self.agent, self.settings.protocol, self.settings.seed)
        module, preprocess = self.agent.module, self.agent.preprocess
        self.certifier: Certifier | VoteCertifier
        if isinstance(module, NoiseVote):
            self.certifier = VoteCertifier(module, self.settings.looks, self.settings.seed)
        elif self.players.random("original"):
            raise UsageError(
                "certify needs an agent without randomness, or one that votes over noise: certify "
                "the original, or noise-vote"
            )
        else:
            self.certifier = Certifier(module, preprocess.shape)
        self.rows: list[CertifyRow] = []
        self.radius: dict[str, tuple[float, ...]] = {}
        self.begun = time.perf_counter()
        self._done = 0

    @property
    def total(self) -> int:
        """Bounds to be computed, in frames."""
        each = len(PLAYS) * self._each
        return each * len(self.settings.lams) + (each if self.settings.radius else 0)

    @property
    def _each(self) -> int:
        """Frames of each kind of play, as many of every recorded game."""
        return self.settings.frames // 2 // GAMES * GAMES

    def run(self) -> Iterator[FramesDone]:
        """Record, bound, attack; tells how far it is."""
        self.begun = time.perf_counter()
        frames = {play: self._recorded(play) for play in PLAYS}
        for play in PLAYS:
            kept = torch.zeros(self._each, dtype=torch.bool, device=frames[play].device)
            for lam in sorted(self.settings.lams, reverse=True):
                yield from self._certify(frames[play], kept, lam)
                self.rows.append(self._row(frames[play], kept, lam, play))
        if self.settings.radius:
            for play in PLAYS:
                found: list[float] = []
                for part in self.certifier.radii(frames[play]):
                    found += part.tolist()
                    yield self._more(len(part))
                self.radius[play] = tuple(found)

    def result(self) -> Certificate:
        """What was found so far."""
        rows = sorted(
            self.rows, key=lambda r: (self.settings.lams.index(r.lam), PLAYS.index(r.play))
        )
        about = AgentFacts.of(self.agent, threads=torch.get_num_threads())
        return Certificate(
            self.settings, about, Made(versions(), commit()), tuple(rows), dict(self.radius),
            defense=self.agent.defense, seconds=time.perf_counter() - self.begun,
        )  # fmt: skip

    def _certify(self, frames: UnitFrames, kept: Tensor, lam: float) -> Iterator[FramesDone]:
        """Note in `kept` [N] which frames are certified; what is at a larger lambda is here too."""
        left = (~kept).nonzero().flatten()
        yield self._more(len(kept) - len(left))
        for part, sure in zip(
            torch.split(left, BATCH), self.certifier.shares(frames[left], lam), strict=False
        ):
            kept[part] = sure
            yield self._more(len(sure))

    def _recorded(self, play: Play) -> UnitFrames:
        """Frames [N, K, H, W] of the agent's own play, game by game within each step."""
        lam = max(self.settings.lams) if play == "attacked" else 0.0
        attack, options = RECORDING
        players = self.players.under(attack, dict(options), grad_samples=1)
        player = players.attacked_player(Arm("original", lam, "original" if lam else None))
        game, seed = self.settings.game, self.settings.seed
        with closing(recording_games(players, game, self._each)) as envs:
            pixels = record(player, players, envs, count=self._each, seed=seed)
        return to_unit(torch.from_numpy(pixels).to(self.agent.device))

    def _row(self, frames: UnitFrames, kept: Tensor, lam: float, play: Play) -> CertifyRow:
        """The row of these frames, of which `kept` [N] are certified; the others are attacked."""
        games = kept.view(-1, GAMES).double().mean(0).cpu().numpy()
        rng = numpy_stream(self.settings.seed, "certify", play, f"{lam:g}")
        broken = self._broken(frames[~kept], lam) if not kept.all() else 0
        return CertifyRow(
            lam, play, len(kept), mean_interval(games, rng=rng), broken=broken / len(kept)
        )

    def _broken(self, frames: UnitFrames, lam: float) -> int:
        """On how many frames the attack changes the action, for certain."""
        options: dict[str, Any] = {"objective": "margin", "random_start": True}
        attack = make_attack("pgd", steps=self.settings.steps, restarts=RESTARTS, **options)
        generator = torch_stream(self.settings.seed, "certify", f"{lam:g}")
        victim = self.agent.reseeded(self.settings.seed).q_function
        threat = Threat(lam, norm=self.certifier.norm)
        count = 0
        for obs in torch.split(frames, ATTACKED_AT_ONCE):
            adv = attack(victim, obs, threat, generator=generator)
            before, after = self.certifier.actions(obs), self.certifier.actions(adv)
            count += int(((before != after) & (before >= 0) & (after >= 0)).sum())
        return count

    def _more(self, count: int) -> FramesDone:
        self._done += count
        return FramesDone(self._done, self.total)


def certification_facts(agent: Agent, game: str, lam: float, *, frames: int) -> dict[str, Any]:
    """The table of an agent's card; empty where no bounds are known."""
    try:
        run = Certification(agent, CertifySettings(game, (lam,), frames))
    except UsageError:
        return {}
    for _ in run.run():
        pass
    return card_table(run.result())


def card_table(found: Certificate) -> dict[str, Any]:
    """A certificate as an agent's card states it: a table per lambda and play."""
    s = found.settings
    lams = " ".join(f"{lam:g}" for lam in s.lams)
    table: dict[str, Any] = {
        "bounds": "linear",
        "command": f"sap-rl certify --game {s.game} --agent {found.agent.name} --lambda {lams} "
        f"--attack-frames {s.frames} --seed {s.seed}",
    }
    for row in found.rows:
        share = row.certified
        ends = {"ci_low": share.low, "ci_high": share.high}
        table[f"{row.play}_lambda_{row.lam:g}".replace(".", "_")] = {
            "lambda": row.lam,
            "play": row.play,
            "certified": round(share.mean, 4),
            "broken": round(row.broken, 4),
            "frames": row.frames,
        } | {name: round(end, 4) for name, end in ends.items() if end is not None}
    return {"certified": table}
