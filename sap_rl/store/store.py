"""The results store: a row per episode, a manifest per cell, and evaluations made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sap_rl.errors import MALFORMED, UsageError, told_of, unknown
from sap_rl.evaluation.assembly import assemble, summarised_anew
from sap_rl.evaluation.code_version import in_versions, told
from sap_rl.evaluation.results import Evaluation, Row, read_evaluation
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import make_row
from sap_rl.plain import from_plain
from sap_rl.play.arm_stats import ArmFacts
from sap_rl.play.arms import Arm
from sap_rl.store.file import MAGIC, StoreFile
from sap_rl.store.listing import (
    Listed,
    answers,
    listed,
    read_experiments,
    write_experiment,
)
from sap_rl.store.records import (
    EPISODES,
    Asked,
    CellRecord,
    ExperimentRecord,
    cell_row,
    counted_stats,
    episode_from_row,
    episode_row,
    require_rows,
)
from sap_rl.texts import read_json


class Store:
    """A results file that several processes may write to at once; use as a context.

    Every method is one transaction: a process that dies at any moment leaves it whole.
    """

    def __init__(self, path: Path | str, *, make: bool = True) -> None:
        self.path = Path(path)
        self.file = StoreFile(self.path, make=make)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def put_experiment(self, record: ExperimentRecord) -> None:
        """Keep what was asked for, in its old place where it is the latest answer already."""
        with self.file.writing() as file:
            write_experiment(file, record)

    def experiments(self) -> list[ExperimentRecord]:
        """All experiments, the earliest first."""
        with self.file.reading() as file:
            return [record for _, record in read_experiments(file)]

    def listed(self) -> list[Listed]:
        """All experiments in a few facts each, the earliest first."""
        with self.file.reading() as file:
            return listed(file, self.asked)

    def alone(self) -> list[CellRecord]:
        """The cells of no experiment, those of an audit say, the earliest first."""
        asked = {key for one in self.experiments() for _, keys in one.arms for key in keys}
        keys = (key for key in self.cell_keys() if key not in asked)
        return [cell for key in keys if (cell := self.cell(key)) is not None]

    def drop(self, keys: Sequence[str]) -> None:
        """Forget experiments by their keys; cells stay, so that a sweep which asks for one again
        plays nothing. UsageError for an unknown key, and none is forgotten then."""
        known = [record.key for record in self.experiments()]
        for key in keys:
            if key not in known:
                raise unknown("experiment", key, known)
        with self.file.writing() as file:
            file.executemany("DELETE FROM experiment WHERE key = ?", [(key,) for key in keys])

    def cell(self, key: str) -> CellRecord | None:
        """A cell, perhaps incomplete; None where nothing was kept."""
        with self.file.reading() as file:
            found = file.execute(
                "SELECT manifest, facts, tally, sigma, complete FROM cell WHERE key = ?", (key,)
            ).fetchone()
            rows = file.execute(
                "SELECT number, return, length, truncated FROM episode WHERE cell = ? "
                "ORDER BY number",
                (key,),
            ).fetchall()
        if found is None:
            return None
        text, facts, arm_stats, sigma, complete = found
        manifest: dict[str, Any] = {}
        with self._understood(f"cell {key}", manifest):
            manifest |= from_plain(dict, read_json(text))
            require_rows(rows, manifest.pop(EPISODES, None))
            manifest = in_versions(manifest, manifest.get("attack"), manifest.get("defense"))
            for said in ("code", "commit"):
                if manifest.get(said) is not None:
                    from_plain(str, manifest[said])
            played = counted_stats(read_json(arm_stats), [episode_from_row(row) for row in rows])
            its = from_plain(ArmFacts, read_json(facts))
            noise = None if sigma is None else from_plain(float, sigma)
        return CellRecord(key, manifest, its, played, bool(complete), noise)

    def cell_keys(self) -> dict[str, bool]:
        """Every cell's key, and whether it is complete."""
        with self.file.reading() as file:
            rows = file.execute("SELECT key, complete FROM cell ORDER BY changed, key").fetchall()
        return {key: bool(complete) for key, complete in rows}

    def put(self, record: CellRecord) -> bool:
        """Keep a cell in the place of what is there, unless that is complete; whether it was kept.

        An incomplete one has the episodes of whole blocks, from which it can be played on.
        """
        with self.file.writing() as file:
            if _complete(file, record.key):
                return False
            file.execute("DELETE FROM episode WHERE cell = ?", (record.key,))
            file.execute(_CELL, cell_row(record))
            rows = [(record.key, *episode_row(e)) for e in record.arm_stats.episodes]
            file.executemany(_EPISODE, rows)
        return True

    def merge(self, other: Store) -> int:
        """Take over what another store has and this one lacks; returns how many cells it took.

        Where both have an experiment, the one with more blocks stays. Answers stay in the order in
        which they were given, whatever is merged first.
        """
        mine, taken = self.cell_keys(), 0
        for key, complete in other.cell_keys().items():
            if complete or key not in mine:
                record = other.cell(key)
                if record is not None:
                    taken += self.put(record)
        with other.file.reading() as file:
            asked = read_experiments(file)
        with self.file.writing() as file:
            for when, experiment in asked:
                write_experiment(file, experiment, when)
        return taken

    def evaluations(self) -> list[Evaluation]:
        """Every experiment as an evaluation, in the order in which they were asked for.

        Where several versions of the code have answered one, it is the latest complete answer, else
        the latest that was begun.
        """
        with self.file.reading() as file:
            records = answers(file)
        return [self.evaluation(record) for record in records]

    def evaluation(self, record: ExperimentRecord) -> Evaluation:
        """One experiment as far as it was played, intervals, changes and checks computed anew."""
        asked = self.asked(record)
        arms = [
            (arm, [cell for key in keys if (cell := self.cell(key)) is not None])
            for arm, keys in record.arms
        ]
        with self._understood(f"experiment {record.key}", record.manifest):
            rows = [_row(asked.settings, arm, cells) for arm, cells in arms if cells]
            return assemble(asked.settings, asked.agent, asked.made, rows, arms=len(record.arms))

    def asked(self, record: ExperimentRecord) -> Asked:
        """What one of its experiments asked; UsageError where another version wrote it."""
        with self._understood(f"experiment {record.key}", record.manifest):
            return record.asked

    @contextmanager
    def _understood(self, what: str, manifest: Mapping[str, Any]) -> Iterator[None]:
        """One line instead of a traceback where another version wrote what this one has not, or
        where the file is damaged."""
        try:
            yield
        except MALFORMED as error:
            made = manifest.get("versions")
            by = made.get("sap-rl", "unsaid") if isinstance(made, dict) else "unsaid"
            raise UsageError(
                f"store '{self.path}': {what} was made by another version of sap_rl ({by}, code "
                f"{_code(manifest)}; this is {version('sap-rl')}) or is damaged: {told_of(error)}"
            ) from error


def load_evaluations(path: Path | str | Sequence[Path | str]) -> list[Evaluation]:
    """The evaluations in a store, or in one or several files of `sap-rl eval --json`.

    An experiment of which nothing was played yet is left out. UsageError in one line for a file
    that is neither, or holds none.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(part) for part in path]
    loaded = (evaluation for part in paths for evaluation in _load(part))
    found = [evaluation for evaluation in loaded if any(row.episodes for row in evaluation.rows)]
    if not found:
        names = ", ".join(f"'{part}'" for part in paths)
        raise UsageError(f"nothing was played yet in {names or 'no file at all'}")
    return found


def _load(path: Path) -> Iterator[Evaluation]:
    if not is_store(path):
        yield summarised_anew(read_evaluation(path))
        return
    with Store(path, make=False) as store:
        yield from store.evaluations()


def is_store(path: Path) -> bool:
    """Whether a file is SQLite's, by its first bytes."""
    try:
        if not path.is_file():  # a pipe would wait for its writer
            return False
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def _row(settings: Settings, arm: Arm, cells: Sequence[CellRecord]) -> Row:
    arm_stats = sum((cell.arm_stats for cell in cells[1:]), cells[0].arm_stats)
    return make_row(settings, arm, cells[0].facts, arm_stats)


def _code(manifest: Mapping[str, Any]) -> str:
    code = manifest.get("code")
    return (told(code) if isinstance(code, str) else None) or "unsaid"


_CELL = "INSERT OR REPLACE INTO cell VALUES (?, ?, ?, ?, ?, ?, ?)"
_EPISODE = "INSERT OR REPLACE INTO episode VALUES (?, ?, ?, ?, ?)"


def _complete(file: Any, key: str) -> bool:
    found = file.execute("SELECT complete FROM cell WHERE key = ?", (key,)).fetchone()
    return bool(found and found[0])
