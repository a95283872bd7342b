"""The experiments of a store: which of them ask the same, and whose answer is read."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sap_rl.evaluation.code_version import of_today
from sap_rl.plain import json_line
from sap_rl.store.records import Asked, ExperimentRecord, experiment_from_row

Dated = tuple[float, ExperimentRecord]
"""When an experiment's answer last became the latest, in seconds since 1970, and the experiment."""


def read_experiments(file: sqlite3.Connection) -> list[Dated]:
    """All experiments, the earliest first."""
    rows = file.execute("SELECT changed, key, manifest FROM experiment ORDER BY changed, key")
    return [(changed, experiment_from_row(key, manifest)) for changed, key, manifest in rows]


def write_experiment(
    file: sqlite3.Connection, record: ExperimentRecord, when: float | None = None
) -> None:
    """Keep what was asked for, within a transaction of the caller's.

    when: it became the latest answer, None for now, unless it is that already. An answer that is
    there grows by blocks but never shrinks, and stays under its first key.
    """
    alike = [asked for asked in read_experiments(file) if asked[1].identity == record.identity]
    known = [asked for asked in alike if asked[1].same_answer(record)]
    key = record.key
    if known:
        before, kept = known[-1]
        key = kept.key
        record = max(kept, record, key=lambda each: each.blocks)
        latest = alike[-1][1] is kept
        when = max(before, when) if when is not None else before if latest else None
    file.execute(
        "INSERT OR REPLACE INTO experiment VALUES (?, ?, ?, ?)",
        (key, record.identity, json_line(record.plain()), time.time() if when is None else when),
    )


@dataclass(frozen=True)
class Listed:
    """One experiment of a store; episodes: of each arm; complete, cells: how many of its cells are
    complete, and in all; attack, lams: or a corruption and its severities; read: it is the answer
    to its question that is read."""

    key: str
    game: str
    agent: str
    defense: str | None
    attack: str
    lams: tuple[float, ...]
    seed: int
    episodes: int
    max_frames: int
    code: str | None
    complete: int
    cells: int
    read: bool

    @property
    def old(self) -> bool:
        """Whether other versions than this code's made it."""
        return self.code is None or self.code != of_today(self.code)


def listed(
    file: sqlite3.Connection, asked: Callable[[ExperimentRecord], Asked]
) -> list[Listed]:  # fmt: skip
    """Every experiment, the earliest first; asked: what a record's manifest says."""
    complete = {key for (key,) in file.execute("SELECT key FROM cell WHERE complete")}
    read = {record.key for record in answers(file)}
    found = []
    for _, record in read_experiments(file):
        what = asked(record)
        s = what.settings
        keys = {key for _, cells in record.arms for key in cells}
        found.append(
            Listed(
                record.key, s.game, what.agent.name, s.defense, s.tampering, s.levels, s.seed,
                s.episodes, s.protocol.max_frames, what.made.code, len(keys & complete), len(keys),
                record.key in read,
            )
        )  # fmt: skip
    return found


def answers(file: sqlite3.Connection) -> list[ExperimentRecord]:
    """One experiment for each question, in the order in which these were first asked.

    The latest whose cells are all complete; else the latest of which anything was played: an answer
    that was only begun, by other code or packages say, hides none that is there.
    """
    complete = {key for (key,) in file.execute("SELECT key FROM cell WHERE complete")}
    begun = {key for (key,) in file.execute("SELECT DISTINCT cell FROM episode")}
    found: dict[str, tuple[int, ExperimentRecord]] = {}
    for _, record in read_experiments(file):
        keys = {key for _, cells in record.arms for key in cells}
        worth = _worth(keys, complete, begun)
        if worth >= found.get(record.identity, (0, record))[0]:
            found[record.identity] = worth, record
    return [record for _, record in found.values()]


def _worth(keys: Iterable[str], complete: set[str], begun: set[str]) -> int:
    wanted = set(keys)
    return 2 if wanted <= complete else 1 if wanted & begun else 0
