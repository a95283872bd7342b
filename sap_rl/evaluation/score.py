"""An agent's stated score: how it is measured, written down, and checked again.

Every purpose has its own block of episode seeds, so that no score is read on games by which
anything was chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import stdev
from typing import Any

from sap_rl.atari.protocol import Protocol
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.statistics import Interval, Moments, welch_interval

SCORE_SEED = 1_000_000
"""Of the games behind a stated score."""
CHOICE_SEED = 3_000_000
"""Of the games that choose among a run's checkpoints; 2,000,000 is for games during training."""
CHECK_SEED = 4_000_000
"""Of the games that check a stated score."""

CAPS = {"cap_30_minutes": 108_000, "cap_5_minutes": 18_000}
"""Tables of a card below `score`, and their caps in emulator frames."""
CHECK_LEVEL = 0.99


def score_settings(game: str, *, episodes: int, seed: int, max_frames: int) -> Settings:
    """Clean games under the protocol, without defence and controls."""
    return Settings(
        game=game,
        lams=(0.0,),
        controls=False,
        episodes=episodes,
        seed=seed,
        protocol=Protocol(max_frames=max_frames),
    )


def score_facts(name: str, row: Row, settings: Settings) -> dict[str, Any]:
    """A complete row of agent `name` as a table of its card, with the command that repeats it."""
    protocol = settings.protocol
    agent = "" if name == row.game else f" --agent {name}"
    known = {
        "mean": row.mean,
        "sd": _sd(row.returns),
        "ci_low": row.ci_low,
        "ci_high": row.ci_high,
        "episodes": row.episodes,
        "truncated": row.truncated,
        "max_frames": protocol.max_frames,
        "seed": settings.seed,
        "epsilon": protocol.epsilon,
        "sticky_actions": protocol.sticky_actions,
        "noop_max": protocol.noop_max,
        "command": (
            f"sap-rl eval --game {row.game}{agent} --lambda 0 --defense none --no-controls "
            f"--episodes {row.episodes} --max-frames {protocol.max_frames} --seed {settings.seed} "
            f"--num-envs {settings.parallel}"
        ),
    }
    return {
        key: round(value, 2) if isinstance(value, float) else value
        for key, value in known.items()
        if value is not None
    }


@dataclass(frozen=True)
class Check:
    """A stated score beside one measured anew.

    stated, measured: return; difference: measured - stated with its 99% Welch interval.
    """

    stated: Moments
    measured: Moments
    difference: Interval

    @property
    def passed(self) -> bool:
        """Whether the interval of the difference contains 0."""
        assert self.difference.low is not None
        assert self.difference.high is not None
        return self.difference.low <= 0.0 <= self.difference.high


def stated_score(facts: Mapping[str, Any], max_frames: int) -> Moments:
    """What an agent's card states for that cap; UsageError where it states nothing usable."""
    tables = facts.get("score", {})
    tables = tables.values() if isinstance(tables, dict) else ()
    caps = {t["max_frames"]: t for t in tables if isinstance(t, dict) and "max_frames" in t}
    if max_frames not in caps:
        known = ", ".join(str(cap) for cap in sorted(caps, key=str)) or "none"
        raise UsageError(f"no score is stated for max-frames {max_frames}; stated: {known}")
    table = caps[max_frames]
    try:
        found = Moments(float(table["mean"]), float(table["sd"]), int(table["episodes"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"the stated score has no usable mean, sd and episodes: {error}") from None
    if not (math.isfinite(found.mean) and 0.0 <= found.sd < math.inf and found.count > 1):
        raise UsageError(f"the stated score cannot be compared with: {found}")
    return found


def check_score(stated: Moments, row: Row) -> Check:
    """Compare a stated score with a complete row of other games."""
    assert row.mean is not None
    measured = Moments(row.mean, _sd(row.returns), row.episodes)
    return Check(stated, measured, welch_interval(measured, stated, level=CHECK_LEVEL))


def _sd(returns: tuple[float, ...]) -> float:
    return stdev(returns) if len(returns) > 1 else 0.0
