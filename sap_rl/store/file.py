"""The file behind a store: SQLite, its tables, and what can go wrong with it in one line."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sap_rl.errors import UsageError, told_of
from sap_rl.files import exists

FORMAT = 1
"""The number of the tables' format, which every store states."""
APPLICATION = 0x53415052
"""Marks the file as a store among SQLite files: "SAPR"."""
PATIENCE = 60.0
"""Seconds to wait while another process writes."""
MAGIC = b"SQLite format 3\x00"

TABLES = """
CREATE TABLE experiment (
    key TEXT PRIMARY KEY, identity TEXT NOT NULL, manifest TEXT NOT NULL, changed REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE cell (
    key TEXT PRIMARY KEY, manifest TEXT NOT NULL, facts TEXT NOT NULL, tally TEXT NOT NULL,
    sigma REAL, complete INTEGER NOT NULL, changed REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE episode (
    cell TEXT NOT NULL, number INTEGER NOT NULL, return REAL NOT NULL, length INTEGER NOT NULL,
    truncated INTEGER NOT NULL, PRIMARY KEY (cell, number)
) WITHOUT ROWID;
"""
"""What a new store is made of. Stores of earlier versions have a table `progress` besides, which
nothing reads."""


class StoreFile:
    """A connection to one store.

    make: an absent file becomes an empty store. UsageError for a file that is none, for one of
    another format, and where SQLite refuses: locked, full, read-only, damaged.
    """

    def __init__(self, path: Path, *, make: bool, patience: float = PATIENCE) -> None:
        self.path, self.patience = path, patience
        if not exists(path) and not make:
            raise UsageError(f"there is no store '{path}'")
        if exists(path) and not path.is_file():
            what = "folder" if path.is_dir() else "device"
            raise UsageError(f"store '{path}' is a {what}, not a file")
        with self._in_one_line():
            self._look(make=make)
            self.connection = self._connect(make=make)
            if make and not _tables(self.connection):
                self._make_tables()
            self._check_format(self.connection)

    def close(self) -> None:
        """Close the file, which merges the log beside it; the file is whole at any moment."""
        self.connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A block that writes in one transaction: all of it is kept, or nothing."""
        with self._in_one_line():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A block that reads one consistent view."""
        with self._in_one_line():
            self.connection.execute("BEGIN")
            try:
                yield self.connection
            except UsageError as error:  # of a row that makes no sense
                raise UsageError(f"store '{self.path}': {error}") from error
            finally:
                self.connection.execute("ROLLBACK")

    def _connect(self, *, make: bool) -> sqlite3.Connection:
        if make and not self.path.exists() and not self.path.parent.is_dir():
            raise UsageError(f"cannot make store '{self.path}': there is no folder for it")
        writable = not self.path.exists() or os.access(self.path, os.W_OK)
        mode = "rwc" if make else "rw" if writable else "ro"
        # Without a log beside it, which could not be made, a read-only store is all in one file.
        alone = not writable and not self.path.with_name(f"{self.path.name}-wal").exists()
        uri = f"{self.path.resolve().as_uri()}?mode={mode}{'&immutable=1' if alone else ''}"
        found = sqlite3.connect(uri, uri=True, timeout=self.patience, isolation_level=None)
        if writable:
            found.execute("PRAGMA journal_mode = WAL")
            found.execute("PRAGMA synchronous = NORMAL")
        return found

    def _look(self, *, make: bool) -> None:
        """Refuse what is no store before anything is changed: opening for writing sets a mode that
        stays in the file."""
        if make and (not self.path.exists() or not self.path.stat().st_size):
            return
        # Without a log no other file is made beside it either; with one somebody else writes now.
        alone = "" if self.path.with_name(f"{self.path.name}-wal").exists() else "&immutable=1"
        uri = f"{self.path.resolve().as_uri()}?mode=ro{alone}"
        with closing(sqlite3.connect(uri, uri=True, timeout=self.patience)) as file:
            if not make or _tables(file) or _marks(file) != (0, 0):
                self._check_format(file)

    def _check_format(self, file: sqlite3.Connection) -> None:
        application, found = _marks(file)
        if application != APPLICATION:
            raise UsageError(f"'{self.path}' is an SQLite file but no store of sap_rl")
        if found != FORMAT:
            raise UsageError(
                f"store '{self.path}' has format {found}, this version of sap_rl has {FORMAT}; "
                "read it with the version that made it, or sweep into another file"
            )

    def _make_tables(self) -> None:
        """Make the tables, unless another process has just done so."""
        with self.writing() as file:
            if _tables(file):
                return
            for statement in TABLES.split(";")[:-1]:
                file.execute(statement)
            file.execute(f"PRAGMA application_id = {APPLICATION}")
            file.execute(f"PRAGMA user_version = {FORMAT}")

    @contextmanager
    def _in_one_line(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise UsageError(self._reason(error)) from error
        except UnicodeDecodeError as error:  # SQLite's own message quotes a damaged name
            raise UsageError(f"store '{self.path}' is damaged: {told_of(error)}") from error

    def _reason(self, error: sqlite3.Error) -> str:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        store = f"store '{self.path}'"
        return {
            sqlite3.SQLITE_BUSY: f"{store} was locked by another process for {self.patience:g} s",
            sqlite3.SQLITE_FULL: f"{store}: no space left on the disk; what was written is kept",
            sqlite3.SQLITE_IOERR: f"{store}: the disk refuses ({error}); what was written is kept",
            sqlite3.SQLITE_READONLY: f"{store} is read-only",
            sqlite3.SQLITE_CANTOPEN: f"{store} cannot be opened: its folder is read-only or gone",
            sqlite3.SQLITE_NOTADB: f"'{self.path}' is no store",
            sqlite3.SQLITE_CORRUPT: f"{store} is damaged: {error}",
        }.get(code, f"{store}: {error}")


def _tables(file: sqlite3.Connection) -> int:
    (tables,) = file.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(tables)


def _marks(file: sqlite3.Connection) -> tuple[int, int]:
    """What a file says of itself: its application and the format of that; zeros for nothing."""
    (application,) = file.execute("PRAGMA application_id").fetchone()
    (version,) = file.execute("PRAGMA user_version").fetchone()
    return application, version
