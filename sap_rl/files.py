"""Files that people name, read within bounds; files that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sap_rl.errors import UsageError

MAX_RESULT = 32 * 2**20
"""Bytes of a result in JSON: one with 1,000 episodes of ten arms has half a million."""
MAX_WEIGHTS = 64 * 2**20
"""Bytes of a network's weights, or of one part of a training, in our own formats."""
MAX_CARD = 2**16
MAX_CONFIG = 2**18
"""Bytes of an agent's card and of an experiment's file, which have a few thousand."""


def read_file(path: Path, most: int, *, cure: str = "") -> bytes:
    """The bytes of a file that somebody named.

    UsageError in one line for what is not there or no regular file (nothing waits for a pipe's
    writer or reads a device), and for more than `most` bytes; cure: what to do then.
    """
    with _opened(path, most, cure) as handle, open(handle, "rb", closefd=False) as file:
        return file.read(most) or b""  # None where a device has nothing yet


def require_file(path: Path, most: int) -> None:
    """Refuse what `read_file` would, before another reader opens it."""
    with _opened(path, most):
        pass


@contextmanager
def _opened(path: Path, most: int, cure: str = "") -> Iterator[int]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise UsageError(f"'{path}' cannot be read: {_reason(error)}") from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"'{path}' is not a file")
        if found.st_size > most:
            large = f"'{path}' has {found.st_size} bytes; at most {most} are read"
            raise UsageError(f"{large}: {cure}" if cure else large)
        yield handle
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {_reason(error)}") from error
    finally:
        os.close(handle)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def exists(path: Path) -> bool:
    """Whether something is there; what no system could name is not."""
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a null byte
        return False


def write_atomically(path: Path, text: str | bytes) -> None:
    """Write beside the target, then rename: a file that was there stays whole until the end.

    Raises UsageError if the disk refuses; nothing is left beside the target then.
    """
    beside = _beside(path)
    try:
        beside.write_bytes(text.encode() if isinstance(text, str) else text)
        os.replace(beside, path)  # noqa: PTH105
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UsageError(f"cannot write '{path}': {error.strerror or error}") from error


def _beside(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(f".{path.name}.{os.getpid()}")


def check_writable(path: Path) -> None:
    """Refuse, before games are played, a file that could not be written afterwards."""
    folder = path.parent
    if str(path) == "-":
        raise UsageError("cannot write to standard output: name a file")
    if exists(path) and not path.is_file():
        kind = "folder" if path.is_dir() else "device"
        raise UsageError(f"cannot write '{path}': it is a {kind}, name a file in a folder")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"cannot write '{path}': folder '{folder}' is missing or read-only")
    _try(_beside(path), path)


def _try(beside: Path, place: Path) -> None:
    """Write a byte beside a place and take it away; UsageError for a name too long, a full disk."""
    try:
        beside.write_bytes(b"0")
    except OSError as error:
        raise UsageError(f"cannot write '{place}': {_reason(error)}") from error
    finally:
        with suppress(OSError):
            beside.unlink()


def check_folder(folder: Path) -> None:
    """Make a folder and refuse one that cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UsageError(f"cannot write to '{folder}': it is there and no folder") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write to '{folder}': {_reason(error)}") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"cannot write to '{folder}': read-only")
    _try(_beside(folder / "probe"), folder)


@contextmanager
def made_beside(place: Path) -> Iterator[Path]:
    """A folder to be filled within the block, which takes its place whole at the end.

    Whatever happens, nothing is left beside; UsageError where the disk refuses.
    """
    beside = place.with_name(f".{place.name}.export")
    try:
        yield beside
        replace_folder(beside, place)
    except OSError as error:
        raise UsageError(f"cannot write '{place}': {error.strerror or error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def replace_folder(new: Path, place: Path) -> None:
    """Rename a folder to its place; what was there is deleted afterwards, or put back."""
    old = place.with_name(f".{place.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)
