"""What a store keeps, as values and as rows of its tables."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from sap_rl.atari.preprocess import Preprocess
from sap_rl.evaluation.code_version import in_versions
from sap_rl.evaluation.settings import Settings
from sap_rl.play.arm_stats import ArmFacts, ArmStats
from sap_rl.play.arms import Arm
from sap_rl.play.rollout import Episode
from sap_rl.statistics.sequential import StoppingRule
from sap_rl.store.cells import cell_key

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class CellRecord:
    """What is known of one cell: one arm, or a block of its episodes.

    manifest: what determines it, and what it was made with; arm_stats: its episodes and what was
    counted on the way; sigma: the noise that it calibrated for the matched control.
    """

    key: str
    manifest: dict[str, Any]
    facts: ArmFacts
    arm_stats: ArmStats
    complete: bool
    sigma: float | None = None


@dataclass(frozen=True)
class ExperimentRecord:
    """One evaluation: its settings and the cells that its arms are made of.

    manifest: settings, agent, versions, commit, code; arms: each with the keys of its cells, a cell
    per block of episodes.
    """

    key: str
    manifest: dict[str, Any]
    arms: list[tuple[Arm, list[str]]] = field(default_factory=list)

    @functools.cached_property
    def identity(self) -> str:
        """A hash of what was asked for, whatever code and packages answer; see `asked`."""
        return cell_key(asked(self.manifest))

    @property
    def blocks(self) -> int:
        """Of each arm."""
        return max((len(cells) for _, cells in self.arms), default=0)

    def same_answer(self, other: ExperimentRecord) -> bool:
        """Whether both ask the same and begin with the same cells; either may have more blocks."""
        first, its = ([(arm, cells[:1]) for arm, cells in record.arms] for record in (self, other))
        return self.identity == other.identity and first == its

    def plain(self) -> dict[str, Any]:
        """As plain JSON."""
        arms = [asdict(arm) | {"cells": cells} for arm, cells in self.arms]
        return self.manifest | {"arms": arms}


WHO = ("name", "sha256", "device", "defended_sha256", "other", "other_sha256")
"""Facts about the agents that belong to the question."""


def asked(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest asks for, the same whichever version of sap_rl wrote it.

    Only what differs from the defaults, so that an option or a fact which a later version adds
    makes no other question of an old one. Of an experiment that is played until intervals are
    narrow the settings are those of its first look, which those that grow with the play began from.
    """
    parts = {name: manifest.get(name) for name in ("settings", "agent", "until")}
    settings, agent, until = json.loads(json.dumps(parts)).values()  # tuples are lists in a file
    if until is not None:
        settings["episodes"] = until["least"]
        settings.pop("look_level", None)
    who = {name: agent[name] for name in WHO if agent.get(name) is not None}
    if who.get("defended_sha256") == who.get("sha256"):
        who.pop("defended_sha256", None)  # its own, as it always was before this was written down
    return {
        "settings": _without(settings, _defaults(Settings)),
        "agent": who,
        "preprocess": _without(agent["preprocess"], _defaults(Preprocess)),
        "until": None if until is None else _without(until, _defaults(StoppingRule)),
    }


def _without(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is as it is by default, inside of mappings too."""
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
    """Of a dataclass's fields that have any, as plain JSON; dataclasses inside as mappings."""
    found = {}
    for entry in fields(kind):
        if entry.default is not MISSING:
            found[entry.name] = entry.default
        elif entry.default_factory is not MISSING:
            found[entry.name] = entry.default_factory()
    return json.loads(json.dumps(found, default=asdict))  # type: ignore[no-any-return]


_NOTHING = object()


def cell_row(record: CellRecord) -> tuple[Any, ...]:
    """Of the table `cell`."""
    counted, facts = plain_json(record.arm_stats.to_json()), plain_json(vars(record.facts))
    manifest = plain_json(record.manifest)
    now = time.time()
    return (record.key, manifest, facts, counted, record.sigma, int(record.complete), now)


def episode_row(episode: Episode) -> tuple[int, float, int, int]:
    """Of the table `episode`, without the cell's key."""
    return episode.index, episode.ret, episode.length, int(episode.truncated)


def episode_from_row(row: Iterable[Any]) -> Episode:
    """What `episode_row` wrote."""
    index, ret, length, truncated = row
    return Episode(index, ret, length, bool(truncated))


def experiment_from_row(key: str, manifest: str) -> ExperimentRecord:
    """What stands in the table `experiment`, without the time."""
    plain = json.loads(manifest)
    arms = [(Arm(a["name"], a["lam"], a["victim"]), a["cells"]) for a in plain.pop("arms")]
    asked = plain.get("settings", {})
    made = in_versions(plain, asked.get("attack"), asked.get("defense"))
    return ExperimentRecord(key, made, arms)


def plain_json(plain: dict[str, Any]) -> str:
    """As text that is equal for equal values; ValueError for NaN or infinity."""
    return json.dumps(plain, sort_keys=True, allow_nan=False)
