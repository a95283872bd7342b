"""Checkpoints: a folder each, whole or not there; one file per part, each under 8 MB."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from sap_rl.errors import MALFORMED, UsageError, told_of
from sap_rl.files import MAX_RESULT, MAX_WEIGHTS, check_folder, read_file, require_file
from sap_rl.plain import from_plain
from sap_rl.texts import read_json

CHECKPOINTS = "checkpoints"
"""The folder of checkpoints inside a run's folder."""
STATE = "state.json"
WEIGHTS = "weights.safetensors"
FORMAT = 2
"""The number of a checkpoint's format. Format 1, which files of it do not name, noted the last
evaluation and kept no `sums`."""


@dataclass
class Progress:
    """Where a run stands; with weights, moments and replay all that a resumed run needs.

    number: of the last checkpoint, from which every random stream after it is seeded; owed:
    transitions not yet answered by updates; warmup: transitions before updates begin; explored:
    epsilon is at its final value whatever `steps` says; lr_origin: see Learner; returns, lengths:
    of the last 100 games; sums: as `Means.state`, empty where a checkpoint is older than they are.
    """

    steps: int = 0
    updates: int = 0
    episodes: int = 0
    seconds: float = 0.0
    number: int = 0
    owed: int = 0
    warmup: int = 0
    explored: bool = False
    lr_origin: int | None = None
    returns: list[float] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    sums: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Saved:
    """A checkpoint as read: parts as in Learner.parts; replay as in Replay.state, or None."""

    path: Path
    progress: Progress
    run: dict[str, Any]
    parts: dict[str, dict[str, Tensor]]
    replay: dict[str, np.ndarray] | None


def write_checkpoint(
    folder: Path,
    progress: Progress,
    run: dict[str, Any],
    parts: dict[str, dict[str, Tensor]],
    replay: dict[str, np.ndarray] | None,
) -> Path:
    """Write `folder`/NNNNNN beside its place, flush it to disk, then rename it there.

    run: what identifies the run (game, seed, settings) and what made it. UsageError if the disk
    refuses; earlier checkpoints are not touched.
    """
    final = folder / f"{progress.number:06d}"
    beside = folder / f".{progress.number:06d}.tmp"
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        sizes = _write_parts(beside, parts, replay)
        state = {"format": FORMAT, "progress": asdict(progress), "run": run, "files": sizes}
        _write(beside / STATE, json.dumps(state, indent=1, allow_nan=False).encode())
        _flush_folder(beside)
        shutil.rmtree(final, ignore_errors=True)  # an incomplete one: complete ones are not redone
        beside.rename(final)
        _flush_folder(folder)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        last = latest_checkpoint(folder)
        raise UsageError(
            f"checkpoint {progress.number} at step {progress.steps} cannot be written: "
            f"{error.strerror or error}; last good checkpoint: {last or 'none'}"
        ) from error
    return final


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint below `folder`."""
    complete = complete_checkpoints(folder)
    return complete[-1] if complete else None


def complete_checkpoints(folder: Path) -> list[Path]:
    """All complete checkpoints below `folder`, the oldest first."""
    return [path for path in _numbered(folder) if _complete(path)]


def read_checkpoint(path: Path) -> Saved:
    """Everything in a checkpoint; UsageError if it is unusable. The replay is mapped, not read."""
    try:
        state = _state(path)
        if (made := state.get("format", 1)) > FORMAT:
            raise ValueError(f"format {made} is newer than this version's {FORMAT}")
        noted = {name: value for name, value in state["progress"].items() if name != "evaluated"}
        progress = from_plain(Progress, noted)
        run = state["run"]
        if not isinstance(run, dict):
            raise TypeError(f"its run is a {type(run).__name__}")
        files = [path / Path(name).name for name in state["files"]]
        parts = {
            f.stem: load(read_file(f, MAX_WEIGHTS)) for f in files if f.suffix == ".safetensors"
        }
        arrays = {f.stem.removeprefix("replay-"): _mapped(f) for f in files if f.suffix == ".npy"}
    except (OSError, SafetensorError, *MALFORMED) as error:
        raise UsageError(f"checkpoint '{path}' cannot be read: {told_of(error)}") from error
    return Saved(path, progress, run, parts, arrays or None)


def _state(path: Path) -> Any:
    """What a checkpoint says of itself."""
    return read_json(read_file(path / STATE, MAX_RESULT))


def _mapped(path: Path) -> np.ndarray:
    """The array in a file, which is not read into memory; UsageError where it is none."""
    require_file(path, sys.maxsize)
    try:
        found = np.load(path, mmap_mode="c")
    except Exception as error:  # NumPy lets the errors of Python's own tokenizer through
        raise UsageError(f"'{path.name}' is no array: {told_of(error)}") from error
    if not isinstance(found, np.ndarray):
        found.close()  # an archive of several
        raise TypeError(f"'{path.name}' is no array")
    return found


def kind_of(saved: Saved) -> str:
    """Which command wrote the checkpoint: `train` or `harden`."""
    return str(saved.run.get("kind", "train"))


def last_saved(folder: Path | None, *, resume: bool) -> Saved | None:
    """Make a run's folder; the checkpoint to go on from. Refuses to begin anew over one."""
    if folder is None:
        if resume:
            raise UsageError("nothing to resume without a folder")
        return None
    checkpoints = folder / CHECKPOINTS
    check_folder(checkpoints)
    clear_unfinished(checkpoints)
    last = latest_checkpoint(checkpoints)
    if resume and last is None:
        raise UsageError(f"nothing to resume: no complete checkpoint in '{checkpoints}'")
    if not resume and last is not None:
        raise UsageError(f"'{folder}' already holds a run ({last.name}); resume it or take another")
    return None if last is None else read_checkpoint(last)


def require_same(path: Path, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on from a checkpoint where something changed; what it does not know is free."""
    for name in (name for name in was if name in now):
        if was[name] != now[name]:
            raise UsageError(
                f"'{path}' was made with {name}={was[name]}, not {now[name]}: a resumed run keeps "
                "it"
            )


def prune_checkpoints(folder: Path, keep: int, snapshots: Path) -> None:
    """Delete all but the newest `keep`; their weights stay as snapshots/STEPS.safetensors."""
    complete = complete_checkpoints(folder)
    for path in complete[:-keep]:
        steps = _state(path)["progress"]["steps"]
        snapshots.mkdir(exist_ok=True)
        (path / WEIGHTS).replace(snapshots / f"{steps:010d}.safetensors")
    for path in complete[:-keep]:
        shutil.rmtree(path, ignore_errors=True)


def clear_unfinished(folder: Path) -> None:
    """Delete what a killed run left half written or half deleted."""
    for path in [*_numbered(folder), *folder.glob(".*.tmp")]:
        if not _complete(path):
            shutil.rmtree(path, ignore_errors=True)


def _numbered(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())


def _complete(path: Path) -> bool:
    try:
        sizes = _state(path)["files"]
        return all((path / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, *MALFORMED):
        return False


def _write_parts(
    folder: Path, parts: dict[str, dict[str, Tensor]], replay: dict[str, np.ndarray] | None
) -> dict[str, int]:
    """The size in bytes of every file, by name."""
    for part, tensors in parts.items():
        _write(folder / f"{part}.safetensors", save(tensors))
    for name, array in (replay or {}).items():
        with _flushed(folder / f"replay-{name}.npy") as file:
            np.save(file, array)
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


def _write(path: Path, data: bytes) -> None:
    with _flushed(path) as file:
        file.write(data)


@contextmanager
def _flushed(path: Path) -> Iterator[BinaryIO]:
    """A file that is on the disk when the block ends."""
    with path.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
