"""The zoo's folder of runs: one per game, those set aside beside it, and who holds a game."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sap_rl.training.checkpoint import CHECKPOINTS, latest_checkpoint, read_checkpoint

EXPORTED = "exported"
"""File of a run that holds the agent steps at which it was last exported, to the verdict."""


def steps_of(run: Path) -> int:
    """Agent steps at a run's last checkpoint; 0 where there is none."""
    last = latest_checkpoint(run / CHECKPOINTS)
    return 0 if last is None else read_checkpoint(last).progress.steps


def aside(run: Path) -> list[Path]:
    """The folders of a game's runs that were set aside."""
    return sorted(run.parent.glob(f"{run.name}.aside-*"))


def seed_of(run: Path) -> int:
    """The seed of a run with a checkpoint."""
    last = latest_checkpoint(run / CHECKPOINTS)
    assert last is not None
    return int(read_checkpoint(last).run["seed"])


def exported_steps(run: Path) -> int:
    """Agent steps at which a run was last exported; 0 where it never was."""
    try:
        return int((run / EXPORTED).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # an unreadable mark costs an export, no agent
        return 0


def set_aside(run: Path) -> Path:
    """Rename a run's folder, so that another can begin in its place; its new name."""
    names = (run.with_name(f"{run.name}.aside-{number}") for number in count(1))
    return run.rename(next(name for name in names if not name.exists()))


@contextmanager
def held(runs: Path, game: str) -> Iterator[bool]:
    """Hold a game while the block lasts; False where another process does."""
    with (runs / f".{game}.lock").open("a") as lock:
        for attempt in range(3):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # perhaps `in_work` alone, which is over at once
                time.sleep(0.02 * attempt)
            else:
                yield True
                return
        yield False


def in_work(runs: Path, game: str) -> bool:
    """Whether a process holds a game."""
    try:
        with (runs / f".{game}.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
