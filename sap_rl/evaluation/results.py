"""What an evaluation found: rows of arms, changes between them, and their JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sap_rl.defenses.names import noise_level
from sap_rl.errors import MALFORMED, UsageError, told_of
from sap_rl.evaluation.comparison import Finding
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.evaluation.record import file_layout, value_layout
from sap_rl.evaluation.settings import Settings
from sap_rl.files import MAX_RESULT, read_file, write_atomically
from sap_rl.plain import from_plain, json_object, to_plain
from sap_rl.play.arms import level_text, todays_name
from sap_rl.statistics import LEVEL
from sap_rl.texts import read_json

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


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
    victim, per step; policy: how actions were chosen among scores; total_variation: of the
    distribution by which they were sampled, against the one on the clean frame, a mean over the
    steps on which it was measured. corruption: what spoilt the frames instead of an attack, None
    where nothing did; lam is then its severity.
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
    policy: str = "greedy"
    total_variation: float | None = None
    corruption: str | None = None

    @property
    def level(self) -> str:
        """How strongly frames were tampered with: `lambda 4`, `rotate 0.5 degrees`."""
        return level_text(self.corruption, self.lam)

    def __post_init__(self) -> None:
        if not len(self.returns) == len(self.lengths) == self.episodes:
            raise UsageError(
                f"row {self.arm} at {self.level} has {self.episodes} episodes, "
                f"{len(self.returns)} returns and {len(self.lengths)} lengths"
            )


PERCENT_FLAGS = frozenset({"unstable_denominator"})
"""Flags of a Change's percentage alone."""


@dataclass(frozen=True)
class Change:
    """The defended agent against the original one, under one lambda and one victim.

    headline: this victim's attack is the stronger one, the lower mean; percent, ci_low, ci_high:
    None where flagged; difference, difference_low, difference_high: defended - original in points
    of return, paired, known where the percentage is not; paper_percent: what Dhillon et al. 2018
    print for SAP-100. corruption: as of a `Row`.
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
    corruption: str | None = None

    @property
    def level(self) -> str:
        """How strongly frames were tampered with: `lambda 4`, `rotate 0.5 degrees`."""
        return level_text(self.corruption, self.lam)

    @property
    def verdict(self) -> Literal["helps", "harms", "unclear"]:
        """What the interval of the difference says; `helps` needs, besides, that no flag stands but
        those of the percentage alone."""
        against = set(self.flags) - PERCENT_FLAGS
        if self.difference_low is not None and self.difference_low > 0 and not against:
            return "helps"
        below = self.difference_high is not None and self.difference_high < 0
        return "harms" if below else "unclear"


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Everything about one evaluation, enough to repeat it.

    settings: as it was played, `num_envs` always said; arms: how many were planned; checks: why not
    to trust it. `print` shows the table of the command line, a notebook a styled one.
    """

    settings: Settings
    agent: AgentFacts
    made: Made
    arms: int
    rows: tuple[Row, ...]
    changes: tuple[Change, ...] = ()
    checks: tuple[Finding, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every planned arm finished all its episodes."""
        return len(self.rows) == self.arms and all(row.complete for row in self.rows)

    @property
    def looked(self) -> bool:
        """Whether a stopping rule decided how long it was played, its intervals at a level of each
        look."""
        return self.settings.look_level > LEVEL

    def row(self, arm: str, lam: float = 0.0, victim: str | None = None) -> Row | None:
        """The row of that arm, None if it was not played."""
        wanted = todays_name(arm), lam, todays_name(victim)
        for row in self.rows:
            if (row.arm, row.lam, row.victim) == wanted:
                return row
        return None

    def original(self, level: float) -> Row | None:
        """The undefended agent's row at a lambda or severity, attacked on its own gradient where
        anybody attacks."""
        return self.row("original", level, self.settings.victim_of_original(level))

    def __repr__(self) -> str:
        state = "" if self.complete else ", incomplete"
        levels = ", ".join(f"{level:g}" for level in self.settings.levels)
        return (
            f"Evaluation({self.settings.game}, {self.settings.corruption or 'lambda'} {levels}, "
            f"{self.arms} arms of "
            f"{self.settings.episodes} episodes{state})"
        )

    def __str__(self) -> str:
        return str(_shown("as_text", self))

    def _repr_html_(self) -> str:
        return str(_shown("as_html", self))

    def to_dataframe(self) -> pd.DataFrame:
        """A row per arm: who played under which attack, means, intervals, rates, flags.

        Needs pandas, which the extra `report` brings; UsageError where it is missing.
        """
        return _shown("as_dataframe", self)

    def to_csv(self, path: str | Path) -> None:
        """Write the rows of `to_dataframe` to a file; UsageError where it cannot be written."""
        write_atomically(Path(path), _shown("as_csv", self))

    def plot(self) -> Figure:
        """Mean return with its interval against lambda, a matplotlib figure of its own.

        UsageError where matplotlib is missing, which the extra `report` brings.
        """
        figure: Figure = _shown("as_figure", self)
        return figure

    def save(self, path: str | Path) -> None:
        """Write everything as JSON, as `sap-rl eval --json` does; `load` reads it."""
        write_atomically(Path(path), self.to_json())

    @staticmethod
    def load(path: str | Path) -> Evaluation:
        """What `save` or `sap-rl eval --json` wrote; UsageError in one line for all else."""
        return read_evaluation(Path(path))

    def to_json(self) -> str:
        """One JSON object as `record` lays it out; never NaN or Infinity."""
        verdicts = [change.verdict for change in self.changes]
        return json_object(file_layout(to_plain(self), complete=self.complete, verdicts=verdicts))


def evaluation_from_json(text: str | bytes) -> Evaluation:
    """What `Evaluation.to_json` wrote, now or in an earlier version; UsageError for all else."""
    try:
        found = from_plain(Evaluation, value_layout(read_json(text)))
    except MALFORMED as error:
        raise UsageError(told_of(error)) from error
    _require_consistent(found)
    return found


def _require_consistent(found: Evaluation) -> None:
    """UsageError for what no evaluation writes, so that somebody changed the file: an arm twice or
    at a level that was not asked for, a mean that is not that of the returns."""
    seen = set()
    for row in found.rows:
        if row.lam not in (0.0, *found.settings.levels):
            raise UsageError(f"row {row.arm} is at {row.level}, which its settings do not have")
        if not 0 <= row.truncated <= row.episodes:
            raise UsageError(f"row {row.arm} has {row.truncated} of {row.episodes} games cut short")
        if row.arm == "noise-control" and row.defense:
            noise_level(row.defense)
        if (arm := (row.arm, row.lam, row.victim)) in seen:
            raise UsageError(f"row {row.arm} at {row.level} stands there twice")
        seen.add(arm)
        mean = math.fsum(row.returns) / row.episodes if row.episodes else math.nan
        if row.mean is not None and not math.isclose(row.mean, mean, abs_tol=1e-9):
            raise UsageError(
                f"row {row.arm} at {row.level} has mean {row.mean:g}, its returns have {mean:g}"
            )


def read_evaluation(path: Path) -> Evaluation:
    """The evaluation in a file of `sap-rl eval --json`; UsageError in one line if it is none."""
    text = read_file(path, MAX_RESULT)
    try:
        return evaluation_from_json(text)
    except UsageError as error:
        raise UsageError(
            f"'{path}' is no evaluation as `sap-rl eval --json` writes it: {error}"
        ) from error


def _shown(form: str, evaluation: Evaluation) -> Any:
    """A form of an evaluation, from the room of what people see: looked up when it is called."""
    return getattr(import_module("sap_rl.reporting.forms"), form)(evaluation)
