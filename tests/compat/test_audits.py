"""The cells that an audit of an earlier version left in its folder."""

from __future__ import annotations

import json

from sap_rl.evaluation.results import Row
from sap_rl.plain import from_plain
from tests.compat.kept import FILES, read_json


def test_every_cell_is_read_and_its_games_returns_are_there() -> None:
    golden = read_json("audit.json")
    found = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in (FILES / "audit").glob("*.json")
    }
    assert sorted(found) == golden["cells"]
    assert all(cell.keys() == {"facts", "cell"} for cell in found.values())
    kinds = {key: cell["facts"]["kind"] for key, cell in found.items()}
    assert {key for key, kind in kinds.items() if kind == "games"} == golden["returns"].keys()
    for key, returns in golden["returns"].items():
        row = from_plain(Row, found[key]["cell"])
        assert list(row.returns) == returns
        assert row.complete
