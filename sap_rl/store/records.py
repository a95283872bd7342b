"""What a store keeps, as values and as rows of its tables."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from sap_rl.atari.preprocess import Preprocess
from sap_rl.errors import MALFORMED, UsageError, told_of
from sap_rl.evaluation.code_version import in_versions
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.evaluation.settings import Settings
from sap_rl.plain import from_plain, json_line, to_plain
from sap_rl.play.arm_stats import ArmFacts, ArmStats
from sap_rl.play.arms import Arm, in_first_names, in_todays_names, todays_name
from sap_rl.play.rollout import Episode
from sap_rl.statistics.sequential import StoppingRule
from sap_rl.store.cells import cell_key
from sap_rl.texts import read_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class CellRecord:
    """What is known of one cell: one arm, or a block of its episodes.

    manifest: what determines it, and what it was made with; arm_stats: its episodes and what was
    counted on the way; sigma: the noise that it calibrated for the noise control.
    """

    key: str
    manifest: dict[str, Any]
    facts: ArmFacts
    arm_stats: ArmStats
    complete: bool
    sigma: float | None = None


@dataclass(frozen=True)
class Asked:
    """What an experiment asked of whom, and what answered."""

    settings: Settings
    agent: AgentFacts
    made: Made


@dataclass(frozen=True)
class ExperimentRecord:
    """One evaluation: its settings and the cells that its arms are made of.

    manifest: as the file has it, so that what a later version wrote is kept whole: settings, agent
    and the entries of `Made`; arms: each with the keys of its cells, a cell per block of episodes.
    """

    key: str
    manifest: dict[str, Any]
    arms: list[tuple[Arm, list[str]]] = field(default_factory=list)

    @functools.cached_property
    def identity(self) -> str:
        """A hash of what was asked for, whatever code and packages answer; see `question`."""
        return cell_key(question(self.manifest))

    @functools.cached_property
    def asked(self) -> Asked:
        """The manifest typed; KeyError or UsageError where another version wrote another one."""
        made = {f.name: self.manifest[f.name] for f in fields(Made) if f.name in self.manifest}
        return Asked(
            from_plain(Settings, self.manifest["settings"]),
            from_plain(AgentFacts, self.manifest["agent"]),
            from_plain(Made, made),
        )

    @property
    def blocks(self) -> int:
        """How many blocks of episodes each arm has."""
        return max((len(cells) for _, cells in self.arms), default=0)

    def same_answer(self, other: ExperimentRecord) -> bool:
        """Whether both ask the same and begin with the same cells; either may have more blocks."""
        first, its = ([(arm, cells[:1]) for arm, cells in record.arms] for record in (self, other))
        return self.identity == other.identity and first == its

    def plain(self) -> dict[str, Any]:
        """The record as plain JSON."""
        arms = [to_plain(arm) | {"cells": cells} for arm, cells in self.arms]
        return self.manifest | {"arms": arms}


WHO = ("name", "sha256", "device", "defended_sha256", "other", "other_sha256")
"""Facts about the agents that belong to the question."""


def question(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest asks for, the same whichever version of sap_rl wrote it.

    It holds only what differs from the defaults, so that an option or a fact which a later version
    adds does not change an old question. An experiment that is played until intervals are narrow
    has the settings of its first look, whatever they have grown to since.
    """
    plain = read_json(json_line(manifest))  # tuples are lists in a file
    settings, agent, until = plain["settings"], plain["agent"], plain.get("until")
    if until is not None:
        settings["episodes"] = until["least"]
        settings.pop("look_level", None)
    who = {name: agent[name] for name in WHO if agent.get(name) is not None}
    if who.get("defended_sha256") == who.get("sha256"):
        who.pop("defended_sha256", None)  # its own, as it always was before this was written down
    return {
        "settings": in_first_names(_without(settings, _defaults(Settings))),
        "agent": who,
        "preprocess": _without(agent["preprocess"], _defaults(Preprocess)),
        "until": None if until is None else _without(until, _defaults(StoppingRule)),
    }


def _without(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that differ from the defaults, inside of mappings too."""
    found = {}
    for name, value in given.items():
        usual = defaults.get(name, _NOTHING)
        if isinstance(value, dict) and isinstance(usual, dict):
            value = _without(value, usual)
            usual = {}
        if value != usual:
            found[name] = value
    return found


@functools.cache
def _defaults(kind: type[DataclassInstance]) -> dict[str, Any]:
    """The defaults of a dataclass's fields as plain JSON; dataclasses inside are mappings."""
    found = {}
    for entry in fields(kind):
        if entry.default is not MISSING:
            found[entry.name] = entry.default
        elif entry.default_factory is not MISSING:
            found[entry.name] = entry.default_factory()
    plain: dict[str, Any] = read_json(json_line(found))
    return plain


_NOTHING = object()


EPISODES = "episodes_sha256"
"""The entry of a cell's manifest in its file that tells whether a row of an episode has changed."""


def cell_row(record: CellRecord) -> tuple[Any, ...]:
    """The record as a row of the table `cell`."""
    counted, facts = json_line(counts(record.arm_stats)), json_line(record.facts)
    rows = [episode_row(episode) for episode in record.arm_stats.episodes]
    manifest = json_line(record.manifest | {EPISODES: rows_hash(rows)})
    now = time.time()
    return (record.key, manifest, facts, counted, record.sigma, int(record.complete), now)


def counts(arm_stats: ArmStats) -> dict[str, Any]:
    """The stats without the episodes, as plain JSON that gives the same floats back."""
    counted: dict[str, Any] = to_plain(replace(arm_stats, episodes=[]))
    del counted["episodes"]
    return counted


def counted_stats(counted: object, episodes: list[Episode]) -> ArmStats:
    """The stats that `counts` wrote, with the episodes that were kept beside them."""
    return replace(from_plain(ArmStats, counted), episodes=episodes)


def rows_hash(rows: Iterable[Iterable[Any]]) -> str:
    """A hash of a cell's rows of episodes, whatever their order."""
    return cell_key({"rows": sorted([list(row) for row in rows])})


def require_rows(rows: Iterable[tuple[Any, ...]], said: str | None) -> None:
    """UsageError for rows of episodes that are none, or not those that were written; said: their
    hash, None from versions that wrote none."""
    for row in rows:
        numbers = all(isinstance(value, int | float) and math.isfinite(value) for value in row)
        if not numbers or row[0] < 0 or row[2] < 1 or row[3] not in (0, 1):
            raise UsageError(f"the row of episode {row[0]!r} is damaged: {row!r:.80}")
    if said is not None and rows_hash(rows) != said:
        raise UsageError("its rows of episodes are damaged: they are not those that were written")


def episode_row(episode: Episode) -> tuple[int, float, int, int]:
    """The episode as a row of the table `episode`, without the cell's key."""
    return episode.index, episode.ret, episode.length, int(episode.truncated)


def episode_from_row(row: Iterable[Any]) -> Episode:
    """The episode that `episode_row` wrote."""
    index, ret, length, truncated = row
    return Episode(index, ret, length, bool(truncated))


def experiment_from_row(key: Any, manifest: Any) -> ExperimentRecord:
    """The experiment that a row of the table `experiment` holds, without its time."""
    try:
        plain = from_plain(dict, read_json(manifest))
        arms = [(_arm(each), from_plain(list, each["cells"])) for each in plain.pop("arms")]
        asked = plain.get("settings", {})
        made = in_versions(in_todays_names(plain), asked.get("attack"), asked.get("defense"))
        record = ExperimentRecord(from_plain(str, key), made, arms)
        _ = record.identity  # which needs what asks the question
    except MALFORMED as error:
        raise UsageError(f"experiment {key!r:.40} is damaged: {told_of(error)}") from error
    return record


def _arm(plain: Mapping[str, Any]) -> Arm:
    names = {name: todays_name(plain[name]) for name in ("name", "victim")}
    return from_plain(Arm, names | {"lam": plain["lam"], "corruption": plain.get("corruption")})
