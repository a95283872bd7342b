"""What an evaluation found: rows of arms, changes between them, and their JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sap_rl.errors import UsageError
from sap_rl.evaluation.comparison import Finding

LEVEL = 0.95
"""Of the intervals, all looks of a stopping rule together."""


@dataclass(frozen=True)
class Row:
    """One arm of one game at one lambda.

    returns, lengths: per finished episode, by index (lengths in agent steps); complete: all
    episodes were finished; mean, ci_low, ci_high: BCa 95% over episodes; normalised: (mean -
    random) / (human - random), as published; flip_rate, self_flip_rate: shares of the steps on
    which they were measured (every 8th for a random agent); linf_max, linf_mean,
    change_mean: distance to the clean frame in pixels as the referee measured it, the largest, the
    average over steps, and the mean absolute change per pixel; truncated: episodes cut by the cap;
    flags: why there is no interval; struck: share of the steps on which the attacker struck; idle:
    share of movable pixels that it left alone there; forward_passes, backward_passes: of the
    victim, per step.
    """

    game: str
    lam: float
    arm: str
    attack: str | None
    defense: str | None
    victim: str | None
    backward: str | None
    grad_samples: int | None
    policy_samples: int
    epsilon: float
    precision: str
    sampler: str | None
    episodes: int
    complete: bool
    returns: tuple[float, ...]
    lengths: tuple[int, ...]
    truncated: int
    mean: float | None
    ci_low: float | None
    ci_high: float | None
    normalised: float | None
    flip_rate: float | None
    self_flip_rate: float | None
    linf_max: float | None
    linf_mean: float | None
    change_mean: float | None
    flags: tuple[str, ...]
    seconds: float
    steps_per_second: float
    struck: float | None = None
    idle: float | None = None
    forward_passes: float | None = None
    backward_passes: float | None = None


PERCENT_FLAGS = frozenset({"unstable_denominator"})
"""Flags of a Change's percentage alone."""


@dataclass(frozen=True)
class Change:
    """The defended agent against the original one, under one lambda and one victim.

    headline: this victim's attack is the stronger one, the lower mean; percent, ci_low, ci_high:
    None where flagged; difference, difference_low, difference_high: defended - original in points
    of return, paired, known where the percentage is not; paper_percent: what Dhillon et al. 2018
    print for SAP-100.
    """

    game: str
    lam: float
    victim: str | None
    headline: bool
    percent: float | None
    ci_low: float | None
    ci_high: float | None
    difference: float
    difference_low: float | None
    difference_high: float | None
    flags: tuple[str, ...]
    paper_percent: float | None

    @property
    def verdict(self) -> Literal["helps", "harms", "unclear"]:
        """By the interval of the difference: helps only where, besides, nothing is flagged that
        concerns it; a percentage without meaning does not."""
        against = set(self.flags) - PERCENT_FLAGS
        if self.difference_low is not None and self.difference_low > 0 and not against:
            return "helps"
        below = self.difference_high is not None and self.difference_high < 0
        return "harms" if below else "unclear"


@dataclass(frozen=True)
class Evaluation:
    """Everything about one evaluation, enough to repeat it; checks: why not to trust it."""

    config: dict[str, Any]
    versions: dict[str, str]
    protocol: dict[str, Any]
    rows: tuple[Row, ...]
    changes: tuple[Change, ...] = field(default=())
    checks: tuple[Finding, ...] = field(default=())

    @property
    def complete(self) -> bool:
        """Whether every planned arm finished all its episodes."""
        return len(self.rows) == self.config["arms"] and all(row.complete for row in self.rows)

    @property
    def looked(self) -> bool:
        """Whether a stopping rule decided how long it was played, its intervals at a level of each
        look."""
        return bool(self.config.get("look_level", LEVEL) > LEVEL)

    def row(self, arm: str, lam: float = 0.0, victim: str | None = None) -> Row | None:
        """The row of that arm, None if it was not played."""
        for row in self.rows:
            if (row.arm, row.lam, row.victim) == (arm, lam, victim):
                return row
        return None

    def to_json(self) -> str:
        """One JSON object; `lam` is spelled lambda there; never NaN or Infinity."""
        whole = asdict(self) | {"complete": self.complete}
        for part in (*whole["rows"], *whole["changes"]):
            part["lambda"] = part.pop("lam")
        for part, change in zip(whole["changes"], self.changes, strict=True):
            part["verdict"] = change.verdict
        return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def row_from_json(plain: dict[str, Any]) -> Row:
    """A row whose fields were stored as plain JSON, where tuples are lists."""
    return Row(**_tuples(plain))


def _tuples(plain: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in plain.items()}


def evaluation_from_json(text: str) -> Evaluation:
    """What `Evaluation.to_json` wrote; ValueError, KeyError or TypeError for anything else."""
    plain = json.loads(text)
    for part in (*plain["rows"], *plain["changes"]):
        part["lam"] = part.pop("lambda")
    changes = [{k: v for k, v in part.items() if k != "verdict"} for part in plain["changes"]]
    return Evaluation(
        plain["config"],
        plain["versions"],
        plain["protocol"],
        tuple(row_from_json(part) for part in plain["rows"]),
        tuple(Change(**_tuples(part)) for part in changes),
        tuple(Finding(**part) for part in plain["checks"]),
    )


def read_evaluation(path: Path) -> Evaluation:
    """The evaluation in a file of `sap-rl eval --json`; UsageError in one line if it is none."""
    try:
        return evaluation_from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read '{path}': {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"'{path}' is no evaluation as `sap-rl eval --json` writes it") from error
