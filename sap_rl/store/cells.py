"""The name of a cell, and results as small JSON files that are found by what determines them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sap_rl.errors import MALFORMED, UsageError
from sap_rl.files import MAX_RESULT, check_folder, read_file, write_atomically
from sap_rl.plain import json_line, json_object
from sap_rl.texts import read_json

KEY_LENGTH = 16

Facts = dict[str, Any]
"""Everything that determines a result, as plain JSON."""


class KeptResults:
    """A folder of JSON objects, each a result with its facts, in a file named by these.

    of_today: facts of an earlier version as this one spells them. A file that is no such object
    counts as missing.
    """

    def __init__(self, folder: Path, of_today: Callable[[Facts], Facts] = dict) -> None:
        check_folder(folder)
        self.folder = folder
        self._kept: dict[str, dict[str, Any]] = {}
        for path in sorted(folder.glob("*.json")):
            try:
                stored = read_json(read_file(path, MAX_RESULT))
                self._kept[cell_key(of_today(stored["facts"]))] = stored["cell"]
            except MALFORMED:
                continue

    def find(self, facts: Facts) -> dict[str, Any] | None:
        """What is kept under these facts, None if nothing usable is."""
        return self._kept.get(cell_key(facts))

    def keep(self, facts: Facts, result: dict[str, Any]) -> None:
        """Keep a result; its file is there whole or not at all."""
        path = self.folder / f"{cell_key(facts)}.json"
        write_atomically(path, json_object({"facts": facts, "cell": result}))


def cell_key(facts: Facts) -> str:
    """The name under which a cell with these facts is kept."""
    try:
        text = json_line(facts)
    except (TypeError, ValueError) as error:
        raise UsageError(f"a cell's facts must be plain JSON: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]
