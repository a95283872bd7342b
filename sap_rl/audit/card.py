"""The report card of an audit, and its verdicts in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sap_rl.audit.checks import frame_findings, game_findings
from sap_rl.audit.frames import FrameResult
from sap_rl.audit.profile import Halved, half_left, profile
from sap_rl.audit.proof import Proven, broken_there
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import Kind
from sap_rl.audit.worst import (
    GameResult,
    Worst,
    WorstDifference,
    bounds,
    clean_returns,
    curve_area,
    mean_return,
    worst_cases,
    worst_differences,
)
from sap_rl.evaluation.comparison import Finding
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.plain import json_object, to_plain
from sap_rl.play.defended_name import defended_name
from sap_rl.statistics.intervals import Interval, reaches


@dataclass(frozen=True)
class AuditFacts:
    """What an audit asked of whom.

    settings: as it was played, lambdas, episodes and frames always said; sigma: of the noise on Q
    that is the noise control, None before it is known.
    """

    settings: AuditSettings
    agent: AgentFacts
    made: Made
    sigma: float | None = None

    @property
    def defense(self) -> str:
        """The name in tables of the player `defended`, empty where nobody plays as it."""
        return defended_name(self.settings.defense or "", self.settings.game)

    def plain(self) -> dict[str, Any]:
        """The card's `config`: the settings, who was audited, and the code."""
        return dict(to_plain(self.settings)) | {
            "agent": self.agent.name,
            "agent_sha256": self.agent.sha256,
            "threads": self.agent.threads,
            "sigma": self.sigma,
            "commit": self.made.commit,
            "code": self.made.code,
        }


@dataclass(frozen=True)
class AuditCard:
    """Everything an audit found; what follows from its frames and games is computed when asked."""

    facts: AuditFacts
    complete: bool
    frames: tuple[FrameResult, ...]
    games: tuple[GameResult, ...]
    kinds: dict[str, Kind]
    spoilt: tuple[GameResult, ...] = ()
    certified: tuple[Proven, ...] = ()

    @property
    def clean(self) -> dict[str, float]:
        """Mean return in clean play, by player."""
        return clean_returns(self.games)

    def half(self, player: str) -> float:
        """The return that is half of the way from a player's clean play to random play."""
        return half_left(self.clean[player], self.clean.get("random"))

    @cached_property
    def profile(self) -> tuple[Halved, ...]:
        """The severities at which half of the reward is gone; empty where none was played."""
        return profile(self.spoilt, self.worst, self.clean) if self.spoilt else ()

    @cached_property
    def worst(self) -> tuple[Worst, ...]:
        """Per attacked player and lambda the attack that leaves least."""
        return worst_cases(self.games, self.kinds, self.facts.settings.seed)

    @property
    def area(self) -> dict[str, float | None]:
        """Player -> mean of its worst-case return over the logarithm of lambda (trapezoids between
        the smallest and the largest lambda), None for one lambda."""
        return {
            player: curve_area([(w.lam, w.mean) for w in self.worst if w.player == player])
            for player in dict.fromkeys(w.player for w in self.worst)
        }

    @cached_property
    def comparisons(self) -> tuple[WorstDifference, ...]:
        """The defended player's worst cases against the others'."""
        return worst_differences(self.games, self.worst, self.facts.settings.seed)

    @property
    def checks(self) -> tuple[Finding, ...]:
        """Reasons for distrust."""
        observation = self.facts.settings.protocol.observation
        on_frames = frame_findings(self.frames, self.kinds)
        return (*on_frames, *game_findings(self.games, self.kinds, observation))

    @property
    def answers(self) -> tuple[str, ...]:
        """What the audit says, in a sentence per lambda and one of clean play."""
        found = [] if self.complete else [INCOMPLETE]
        for lam in dict.fromkeys(w.lam for w in self.worst):
            here = {w.player: w for w in self.worst if w.lam == lam}
            found.append(f"At lambda {lam:g} the strongest attack {self._leaves(lam, here)}.")
        clean = self.clean
        if self.facts.defense and {"original", "defended"} <= clean.keys():
            found.append(
                f"Without an attack {self.facts.defense} keeps {clean['defended']:.1f} of "
                f"{clean['original']:.1f}."
            )
        return tuple(found)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The answers, then how much stronger than the paper's attack the suite is."""
        name = "defended" if self.facts.defense else "original"
        called = self.facts.defense or self.facts.agent.name
        here = [worst for worst in self.worst if worst.player == name]
        return (*self.answers, *(line for w in here for line in _beside_the_paper(w, called)))

    def _leaves(self, lam: float, here: dict[str, Worst]) -> str:
        """What each player keeps in its worst case, and whether the defence helps."""
        defense, clean = self.facts.defense, self.clean
        names = {"original": "the original" if defense else self.facts.agent.name}
        names |= {"defended": defense}
        kept = {name: f"{who} {here[name].mean:.1f}" for name, who in names.items() if name in here}
        if "original" in kept and "original" in clean:
            kept["original"] += f" instead of {clean['original']:.1f} points"
        beside = f" (random play {clean['random']:.1f})" if "random" in clean else ""
        judged = f": {self._help(lam, here)}" if len(kept) == len(names) else ""
        return f"leaves {' and '.join(kept.values())}{beside}{judged}"

    def _help(self, lam: float, here: dict[str, Worst]) -> str:
        """Whether the defence helps, by worst cases: it must beat the original and, where it flips
        at random itself, the noise; where both play as badly as the random policy nothing is
        helped."""
        between = {c.second: c.interval for c in self.comparisons if c.lam == lam}
        defense, gain, noise = self.facts.defense, between["original"], between.get("noise-control")
        points = f"{gain.mean:+.1f} points{bounds(gain)}"
        if gain.high is not None and gain.high < 0:
            return f"{defense} HARMS ({points})"
        if self._at_floor(here):
            return f"unclear, both at the floor, no better than the random policy ({points})"
        if gain.low is None:
            return f"unclear ({points}, no interval)"
        if gain.low <= 0:
            return f"{defense} does not help ({points})"
        if self.kinds["defended"].random:
            if noise is None:
                return "unclear without the noise control"
            if (noise.mean if noise.low is None else noise.low) <= 0:
                return (
                    f"{defense} keeps more than the original ({points}), but not more than noise "
                    f"that flips as many actions ({noise.mean:+.1f}{bounds(noise)})"
                )
        return f"{defense} HELPS against this suite ({points})"

    def _at_floor(self, here: dict[str, Worst]) -> bool:
        """Whether both worst cases reach the random policy, as `at_floor` says of an evaluation."""
        floor = next((cell.row for cell in self.games if cell.player == "random"), None)
        if floor is None:
            return False
        random = Interval(mean_return(floor), floor.ci_low, floor.ci_high)
        both = (here["original"], here["defended"])
        return all(reaches(Interval(w.mean, w.ci_low, w.ci_high), random) for w in both)

    def broken(self, proven: Proven) -> float:
        """The share of the actions on a proof's frames that some attack changed."""
        return broken_there(proven, self.frames)

    def cell(self, player: str, title: str, lam: float) -> GameResult | None:
        """The games of that player under that attack, None if they were not played."""
        for cell in self.games:
            if (cell.player, cell.title, cell.lam) == (player, title, lam):
                return cell
        return None

    def to_json(self) -> str:
        """One JSON object; `lam` is spelled lambda there; never NaN or Infinity."""
        whole: dict[str, Any] = to_plain({name: getattr(self, name) for name in PARTS})
        for plain in whole["frames"]:
            plain["frames"] = len(plain.pop("first"))
            del plain["again"]
            for name in ("margin_lost", "value_lost"):
                plain[name] = float(np.mean(plain[name]))
        for plain, proven in zip(whole["certified"], self.certified, strict=True):
            plain["broken"] = round(self.broken(proven) * proven.frames)
        for name in ("frames", "certified", "games", "worst", "comparisons"):
            for part in whole[name]:
                part["lambda"] = part.pop("lam")
        for part in whole["games"]:
            del part["row"]["lam"]
        facts = {"config": self.facts.plain(), "versions": self.facts.made.versions}
        return json_object(facts | whole)


PARTS = (
    "complete", "frames", "certified", "games", "worst", "area", "comparisons", "checks",
    "verdicts", "kinds", "profile",
)  # fmt: skip
"""What the JSON of a card holds besides its facts."""


INCOMPLETE = "INCOMPLETE: cells are missing, and the worst case may be among them."


def _beside_the_paper(worst: Worst, name: str) -> list[str]:
    if worst.paper is None or worst.stronger is None:
        return []
    before, after = worst.paper, worst.mean
    if after < before:
        return [
            f"Lambda {worst.lam:g}: the strongest attack played leaves {name} {after:.1f}, the "
            f"paper's FGSM {before:.1f}: {before - after:.1f} points more{bounds(worst.stronger)}."
        ]
    return [
        f"Lambda {worst.lam:g}: no attack played is stronger on {name} than the paper's FGSM, "
        f"which leaves {before:.1f}."
    ]
