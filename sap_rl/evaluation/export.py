"""A store as a table for other programs: a row per episode, CSV or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sap_rl.errors import UsageError, unknown
from sap_rl.evaluation.results import check_writable, write_atomically
from sap_rl.evaluation.store import Store

COLUMNS = (
    "experiment", "game", "agent", "agent_sha256", "attack", "defense", "lambda", "arm", "victim",
    "seed", "episode", "return", "length", "truncated", "cell_complete", "epsilon", "grad_samples",
    "policy_samples", "precision", "sampler", "cell", "code", "commit",
)  # fmt: skip


def export(store: Store, path: Path) -> int:
    """Write every episode of every experiment; the suffix decides how. Returns the rows' number.

    A cell that several experiments share appears once for each. UsageError for another suffix, and
    where Parquet needs a package that is missing.
    """
    if path.suffix not in WRITERS:
        raise unknown("suffix", path.suffix or path.name, WRITERS)
    check_writable(path)
    rows = episode_rows(store)
    WRITERS[path.suffix](path, rows)
    return len(rows)


def episode_rows(store: Store) -> list[dict[str, Any]]:
    """The table, ordered by experiment, arm and episode."""
    found = []
    for experiment in store.experiments():
        settings, agent = experiment.manifest["settings"], experiment.manifest["agent"]
        for arm, keys in experiment.arms:
            for key in keys:
                if (cell := store.cell(key)) is None:
                    continue
                fixed = {
                    "experiment": experiment.key, "game": settings["game"], "agent": agent["name"],
                    "agent_sha256": agent["sha256"], "seed": settings["seed"], "lambda": arm.lam,
                    "arm": arm.name, "victim": arm.victim, "cell": key,
                    "cell_complete": cell.complete, "code": cell.manifest["code"],
                    "commit": cell.manifest["commit"],
                }  # fmt: skip
                fixed |= {name: v for name, v in vars(cell.facts).items() if name in COLUMNS}
                for e in cell.tally.episodes:
                    own = {"episode": e.index, "return": e.ret, "length": e.length}
                    row = fixed | own | {"truncated": e.truncated}
                    found.append({name: row[name] for name in COLUMNS})
    return found


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
        "policy_samples": whole,
    }  # fmt: skip
    schema = pyarrow.schema([(name, types.get(name, text)) for name in COLUMNS])
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema), buffer)
    write_atomically(path, buffer.getvalue())


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
