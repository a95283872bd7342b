"""Finished cells of a long run as small files, so that an interrupted one goes on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sap_rl.errors import UsageError
from sap_rl.evaluation.results import check_folder, write_atomically

KEY_LENGTH = 16


class Cells:
    """A folder of JSON objects, each named by a hash of everything that determines it.

    folder: None keeps nothing. A file that is no JSON object of its own key counts as missing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        if folder is not None:
            check_folder(folder)

    def load(self, facts: dict[str, Any]) -> dict[str, Any] | None:
        """What was stored under these facts, None if nothing usable was."""
        if self.folder is None:
            return None
        try:
            stored = json.loads(self._path(facts).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(stored, dict) or stored.get("facts") != _plain(facts):
            return None
        found: dict[str, Any] = stored["cell"]
        return found

    def store(self, facts: dict[str, Any], cell: dict[str, Any]) -> None:
        """Keep a finished cell; the file is there whole or not at all."""
        if self.folder is not None:
            text = json.dumps({"facts": facts, "cell": cell}, indent=1, allow_nan=False)
            write_atomically(self._path(facts), text + "\n")

    def _path(self, facts: dict[str, Any]) -> Path:
        assert self.folder is not None
        return self.folder / f"{cell_key(facts)}.json"


def cell_key(facts: dict[str, Any]) -> str:
    """The name under which a cell with these facts is kept."""
    try:
        text = json.dumps(facts, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"a cell's facts must be plain JSON: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def _plain(facts: dict[str, Any]) -> Any:
    """As JSON gives it back: tuples are lists there."""
    return json.loads(json.dumps(facts))
