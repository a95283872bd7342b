"""A store as a table for other programs: a row per episode, CSV or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sap_rl.errors import UsageError, unknown
from sap_rl.evaluation.code_version import told
from sap_rl.evaluation.settings import Settings
from sap_rl.files import check_writable, write_atomically
from sap_rl.plain import json_line, to_plain
from sap_rl.play.arms import Arm
from sap_rl.store.records import Asked
from sap_rl.store.store import Store

COLUMNS = (
    "experiment", "game", "agent", "agent_sha256", "attack", "defense", "lambda", "arm", "victim",
    "seed", "episode", "return", "length", "truncated", "cell_complete", "epsilon", "grad_samples",
    "policy_samples", "precision", "sampler", "cell", "code", "commit", "attack_options",
    "attack_backward", "schedule", "experiment_defense", "defense_options", "frames", "observation",
    "max_frames", "noop_max", "sticky_actions", "num_envs", "first_episode", "preprocess", "device",
    "defended_sha256", "other", "other_sha256", "until", "packages", "policy", "corruption",
    "severity", "norm",
)  # fmt: skip
"""What differs between two rows stands in one of them; options and other mappings as JSON.

attack_options, attack_backward, schedule, frames, observation, norm: of attacked rows; defense: as
it played, that of the noise control too; experiment_defense, defense_options, defended_sha256: of
the one that plays as `defended`, of the noise control the one that it flips as often as; other,
other_sha256: who lends the gradient of victim `other`; num_envs, first_episode: of the cell, a
block of episodes that are played together; until: when the play was to end, empty for a fixed
number of episodes; corruption, severity: of rows where one took part, which have no lambda.
"""


def export(store: Store, path: Path) -> int:
    """Write every episode of every experiment; the suffix decides how. Returns the rows' number.

    A cell that several experiments share appears once for each. UsageError for another suffix, and
    where Parquet needs a package that is missing.
    """
    if path.suffix not in WRITERS:
        raise unknown("suffix", path.suffix or path.name, WRITERS)
    check_writable(path)
    rows = episode_rows(store)
    if not rows:
        raise UsageError(
            f"'{store.path}' holds no episode of an experiment, so '{path}' is not written: see "
            "sap-rl store list, and play with sap-rl sweep"
        )
    WRITERS[path.suffix](path, rows)
    return len(rows)


def episode_rows(store: Store) -> list[dict[str, Any]]:
    """The rows of the table, ordered by experiment, arm and episode."""
    found = []
    for experiment in store.experiments():
        asked = store.asked(experiment)
        for arm, keys in experiment.arms:
            for key in keys:
                if (cell := store.cell(key)) is None:
                    continue
                fixed = {
                    "experiment": experiment.key, "game": asked.settings.game,
                    "agent": asked.agent.name, "agent_sha256": asked.agent.sha256,
                    "seed": asked.settings.seed, **_level(arm),
                    "arm": arm.name, "victim": arm.victim, "cell": key,
                    "cell_complete": cell.complete, "code": told(cell.manifest.get("code")),
                    "commit": cell.manifest.get("commit"),
                }  # fmt: skip
                fixed |= {name: v for name, v in to_plain(cell.facts).items() if name in COLUMNS}
                fixed |= _asked(asked, arm) | _cell_facts(cell.manifest, asked.settings)
                for e in cell.arm_stats.episodes:
                    own = {"episode": e.index, "return": e.ret, "length": e.length}
                    row = fixed | own | {"truncated": e.truncated}
                    found.append({name: row[name] for name in COLUMNS})
    return found


def _level(arm: Arm) -> dict[str, float | None]:
    """How strongly frames were tampered with, under the name of its kind."""
    spoilt = arm.corruption is not None
    return {"lambda": None if spoilt else arm.lam, "severity": arm.lam if spoilt else None}


def _asked(asked: Asked, arm: Arm) -> dict[str, Any]:
    """What an experiment asked of an arm; None for what does not concern it."""
    s, agent, protocol = asked.settings, asked.agent, asked.settings.protocol
    attacked, other = arm.victim is not None, arm.victim == "other"
    behind, played = arm.name in ("defended", "noise-control"), arm.name != "random"
    return {
        "attack_options": _json(s.attack_options) if attacked else None,
        "attack_backward": s.attack_backward if attacked else None,
        "schedule": _json(s.schedule) if attacked else None,
        "frames": protocol.frames if attacked else None,
        "observation": protocol.observation if attacked else None,
        "norm": protocol.norm if attacked else None,
        "experiment_defense": s.defense if behind else None,
        "defense_options": _json(s.defense_options) if behind else None,
        "defended_sha256": agent.defended_sha256 if behind else None,
        "other": agent.other if other else None,
        "other_sha256": agent.other_sha256 if other else None,
        "preprocess": _json(agent.preprocess.deciding) if played else None,
        "device": agent.device,
        "until": _json(asked.made.until),
        "max_frames": protocol.max_frames,
        "noop_max": protocol.noop_max,
        "sticky_actions": protocol.sticky_actions,
    }


def _cell_facts(manifest: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """What a row takes from the cell's own manifest; earlier versions left out some of it."""
    return {
        "num_envs": manifest.get("num_envs", settings.num_envs),
        "first_episode": manifest.get("first", 0),
        "packages": _json(manifest.get("packages")),
    }


def _json(value: object) -> str | None:
    return None if value is None else json_line(value)


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError("Parquet needs: pip install 'sap-rl[parquet]'") from error
    text, whole, real, truth = pyarrow.string(), pyarrow.int64(), pyarrow.float64(), pyarrow.bool_()
    types = {
        "lambda": real, "seed": whole, "episode": whole, "return": real, "length": whole,
        "truncated": truth, "cell_complete": truth, "epsilon": real, "grad_samples": whole,
        "policy_samples": whole, "max_frames": whole, "noop_max": whole, "num_envs": whole,
        "first_episode": whole, "sticky_actions": real, "severity": real,
    }  # fmt: skip
    schema = pyarrow.schema([(name, types.get(name, text)) for name in COLUMNS])
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema), buffer)
    write_atomically(path, buffer.getvalue())


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
