"""An agent's stated score: how it is measured, written down, and checked again.

Every purpose has its own block of episode seeds, so that no score is read on games by which an
agent or a checkpoint was chosen:

    0            evaluations, unless their seed is given
    1,000,000    SCORE_SEED: stated scores; these games report and decide nothing
    2,000,000    `eval_seed` of the training settings: the curve during training
    3,000,000    CHOICE_SEED: which checkpoint of a run becomes an agent
    4,000,000    CHECK_SEED: whether a stated score holds
    5,000,000    FRAMES_SEED of `play.frames`, added to an evaluation's own seed
    10,000,000   RIVAL_SEED, plus a run's steps: whether its agent takes a shipped one's place
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import stdev
from typing import Any

from sap_rl.agents import Agent
from sap_rl.atari.games import game_facts
from sap_rl.atari.protocol import Protocol
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.settings import Settings
from sap_rl.statistics.intervals import Interval, Moments, welch_interval

SCORE_SEED = 1_000_000
"""Seed of the games behind a stated score; nothing is decided on them."""
CHOICE_SEED = 3_000_000
"""Seed of the games that choose a run's best checkpoint; 2,000,000 is for training's own games."""
CHECK_SEED = 4_000_000
"""Seed of the games that check a stated score."""
RIVAL_SEED = 10_000_000
"""Seed of the games that decide between a new agent and the one in its place. The run's steps are
added: fresh games every time, so that luck in one comparison does not shield an agent in the next.
"""

CAPS = {"cap_30_minutes": 108_000, "cap_5_minutes": 18_000}
"""Tables of a card below `score`, and their caps in emulator frames."""
CHECK_LEVEL = 0.99
SLACK = 0.25
"""Share of a bare mean's distance from random play by which protocols of others may move it."""


def score_settings(
    game: str, *, episodes: int, seed: int, max_frames: int, sticky_actions: float = 0.0
) -> Settings:
    """Clean games under the protocol, without defence and controls.

    sticky_actions: of the world that the agent was trained in, if it was.
    """
    return Settings(
        game=game,
        lams=(0.0,),
        controls=False,
        episodes=episodes,
        seed=seed,
        protocol=Protocol(max_frames=max_frames, sticky_actions=sticky_actions),
    )


def score_facts(name: str, row: Row, settings: Settings) -> dict[str, Any]:
    """A complete row of agent `name` as a table of its card, with the command that repeats it."""
    protocol = settings.protocol
    agent = "" if name == row.game else f" --agent {name}"
    options = "".join(
        f" --{key.replace('_', '-')} {value}" for key, value in settings.attack_options.items()
    )
    attack = f" --attack {settings.attack}{options}" if row.lam else ""
    known = {
        "lambda": row.lam or None,
        "attack": row.attack,
        "mean": row.mean,
        "sd": _sd(row.returns),
        "ci_low": row.ci_low,
        "ci_high": row.ci_high,
        "episodes": row.episodes,
        "truncated": row.truncated,
        "max_frames": protocol.max_frames,
        "seed": settings.seed,
        "epsilon": protocol.epsilon,
        "policy": "sample" if protocol.policy == "sample" else None,
        "sticky_actions": protocol.sticky_actions,
        "noop_max": protocol.noop_max,
        "command": (
            f"sap-rl eval --game {row.game}{agent} --lambda {row.lam:g}{attack} --defense none "
            f"--no-controls --episodes {row.episodes} --max-frames {protocol.max_frames} "
            f"--seed {settings.seed} --num-envs {settings.parallel}"
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

    stated, measured: return; difference: measured - stated with its 99% Welch interval; slack: by
    how much more a score of unknown protocol may be off.
    """

    stated: Moments
    measured: Moments
    difference: Interval
    slack: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the interval of the difference, wider by the slack, contains 0."""
        assert self.difference.low is not None
        assert self.difference.high is not None
        return self.difference.low - self.slack <= 0.0 <= self.difference.high + self.slack


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


def check_mean(game: str, mean: float, row: Row) -> Check:
    """Compare a mean of which nothing else is known: no episodes, no starts, no epsilon.

    Such a score counts as missed where the interval ends more than a quarter of its distance from
    random play away from it.
    """
    if not math.isfinite(mean):
        raise UsageError(f"a stated mean return must be a number, got {mean}")
    assert row.mean is not None
    measured = Moments(row.mean, _sd(row.returns), row.episodes)
    exact = Moments(mean, 0.0, 2)  # without a variance of its own: the one-sample interval
    floor = game_facts(game).random or 0.0
    difference = welch_interval(measured, exact, level=CHECK_LEVEL)
    return Check(exact, measured, difference, slack=SLACK * abs(mean - floor))


def likely_causes(check: Check, agent: Agent) -> list[str]:
    """Why an agent may play otherwise than stated: what of its preprocessing to try first.

    By how it plays: as badly as at random speaks for frames that it does not know, better than
    stated for rewards that were counted otherwise.
    """
    sees = agent.preprocess
    causes = []
    if check.measured.mean > check.stated.mean:
        causes.append("the stated score counts clipped rewards, or a single life")
    else:
        other = "unit" if sees.scale == "pixels" else "pixels"
        causes += [
            f"frames on another scale (preprocess scale={other})",
            "another stack order (preprocess order="
            + ("oldest_first)" if sees.order == "newest_first" else "newest_first)"),
            "another action set (preprocess full_action_space="
            + ("false)" if sees.full_action_space else "true)"),
            "the stated score belongs to longer episodes or to training's clipped rewards",
        ]
        if sees.layout == "columns_first" or sees.crop:
            causes.append(f"another part of the screen (crop={list(sees.crop)})")
    sticky = "without" if sees.sticky_actions else "with"
    causes.append(f"a world {sticky} sticky actions (preprocess sticky_actions)")
    causes.append("an emulator of another version")
    return causes


def _sd(returns: tuple[float, ...]) -> float:
    return stdev(returns) if len(returns) > 1 else 0.0
