"""The cells that an audit of an earlier version left in its folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sap_rl import AuditSettings, Protocol, load_agent
from sap_rl.audit.cells import of_today
from sap_rl.audit.run import Audit
from sap_rl.evaluation.results import Row
from sap_rl.machine import single_threaded
from sap_rl.plain import from_plain
from sap_rl.store.cells import KeptResults
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


def as_it_was_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    """The audit that left these cells, with the packages of that time."""
    recorded = read_json("audit.json")["machine"]
    packages = {"gymnasium": "1.4.0"} | {
        name: recorded[name] for name in ("torch", "ale-py", "numpy")
    }
    monkeypatch.setattr("sap_rl.sweep.experiments.versions", lambda: packages | {"sap-rl": "99"})
    asked = AuditSettings(
        "BankHeist", (1.0,), defense=None, budget="quick", episodes=1, frames=2, certified=0,
        protocol=Protocol(max_frames=40),
    )  # fmt: skip
    shutil.copytree(FILES / "audit", folder, dirs_exist_ok=True)
    return Audit(load_agent("BankHeist"), asked, folder)


def test_every_cell_is_found_and_none_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = read_json("audit.json")
    with single_threaded():
        found = as_it_was_asked(tmp_path, monkeypatch)
        events = list(found.run())
    assert [event.name for event in events if event.seconds is not None] == []
    assert len(events) == len(golden["cells"])
    returns = sorted(list(cell.row.returns) for cell in found.games)
    assert returns == sorted(golden["returns"].values())


def test_another_agents_hash_is_read_as_it_was_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the contender's; and only of the agent whose it is."""
    with single_threaded():
        found = as_it_was_asked(tmp_path, monkeypatch)
        for path in tmp_path.glob("*.json"):
            plain = json.loads(path.read_text())
            plain["facts"]["contender"] = "00"
            path.write_text(json.dumps(plain))
        kept = KeptResults(tmp_path, of_today)
        for cell in found.frame_cells():
            facts = found.facts.on_frames(cell)
            assert kept.find(facts) is None
            assert kept.find(facts | {"defended_sha256": "00"}) is not None
