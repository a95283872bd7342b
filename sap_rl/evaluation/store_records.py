"""What a store keeps, as values and as rows of its tables."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sap_rl.evaluation.arms import Arm
from sap_rl.evaluation.rollout import Episode
from sap_rl.evaluation.tally import ArmFacts, Tally


@dataclass(frozen=True)
class CellRecord:
    """What is known of one cell: one arm, or a block of its episodes.

    manifest: what determines it, and what it was made with; tally: its episodes and what was
    counted on the way; sigma: the noise that it calibrated for the matched control.
    """

    key: str
    manifest: dict[str, Any]
    facts: ArmFacts
    tally: Tally
    complete: bool
    sigma: float | None = None


@dataclass(frozen=True)
class ExperimentRecord:
    """One evaluation: its settings and the cells that its arms are made of.

    identity: a hash of what was asked for, whatever code answers; manifest: settings, agent,
    versions, commit, code; arms: each with the keys of its cells.
    """

    key: str
    identity: str
    manifest: dict[str, Any]
    arms: list[tuple[Arm, list[str]]] = field(default_factory=list)


def cell_row(record: CellRecord) -> tuple[Any, ...]:
    """Of the table `cell`."""
    counted, facts = plain_json(record.tally.to_json()), plain_json(vars(record.facts))
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


def experiment_from_row(key: str, identity: str, manifest: str) -> ExperimentRecord:
    """What stands in the table `experiment`, without the time."""
    plain = json.loads(manifest)
    arms = [(Arm(a["name"], a["lam"], a["victim"]), a["cells"]) for a in plain.pop("arms")]
    return ExperimentRecord(key, identity, plain, arms)


def plain_json(plain: dict[str, Any]) -> str:
    """As text that is equal for equal values; ValueError for NaN or infinity."""
    return json.dumps(plain, sort_keys=True, allow_nan=False)
