"""What survives an interruption."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sap_rl import UsageError
from sap_rl.store.cells import CellPlan, Cells, cell_key

FACTS = {"lambda": 0.25, "entry": {"attack": "pgd", "options": (1, 2)}}


def test_a_stored_cell_is_found_by_its_facts_alone(tmp_path: Path) -> None:
    cells = Cells(tmp_path / "deep" / "er")
    assert cells.load(FACTS) is None
    cells.store(FACTS, {"mean": 1.5, "returns": [1, 2]})
    assert Cells(tmp_path / "deep" / "er").load(FACTS) == {"mean": 1.5, "returns": [1, 2]}
    assert cells.load(FACTS | {"lambda": 0.5}) is None


def test_the_order_of_facts_does_not_matter() -> None:
    assert cell_key(FACTS) == cell_key(dict(reversed(FACTS.items())))
    assert cell_key(FACTS) != cell_key(FACTS | {"lambda": 0.250001})


def test_nothing_is_kept_without_a_folder() -> None:
    cells = Cells(None)
    cells.store(FACTS, {"mean": 1})
    assert cells.load(FACTS) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"facts": {}, "cell": {}}', "\x00"])
def test_a_broken_file_is_a_missing_one(text: str, tmp_path: Path) -> None:
    cells = Cells(tmp_path)
    cells.store(FACTS, {"mean": 1})
    (file,) = tmp_path.iterdir()
    file.write_text(text)
    assert cells.load(FACTS) is None


def test_no_file_beside_the_cell_is_left(tmp_path: Path) -> None:
    Cells(tmp_path).store(FACTS, {"mean": 1})
    (file,) = tmp_path.iterdir()
    assert file.name == f"{cell_key(FACTS)}.json"
    assert json.loads(file.read_text())["cell"] == {"mean": 1}


def test_nan_is_never_stored(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Cells(tmp_path).store(FACTS, {"mean": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write to"):
        Cells(tmp_path / "file" / "folder")


@pytest.mark.parametrize("at_once", [1, 3])
def test_only_what_is_missing_is_made_after_everything_is_prepared(
    tmp_path: Path, at_once: int
) -> None:
    cells, log = Cells(tmp_path), []

    def plan(number: int) -> CellPlan:
        def make(place: int) -> dict[str, Any]:
            assert 0 <= place < at_once
            log.append(f"make {number}")
            return {"square": number * number}

        return CellPlan(f"{number}", {"n": number}, make, lambda: log.append(f"prepare {number}"))

    plans = [plan(number) for number in range(4)]
    cells.store({"n": 2}, {"square": 4})
    made = {m.plan.name: m for m in cells.run(plans, at_once)}
    assert log[:3] == ["prepare 0", "prepare 1", "prepare 3"]
    assert sorted(log[3:]) == ["make 0", "make 1", "make 3"]
    assert [made[f"{n}"].cell["square"] for n in range(4)] == [0, 1, 4, 9]
    assert [made[f"{n}"].seconds is None for n in range(4)] == [False, False, True, False]
    log.clear()
    assert all(m.seconds is None for m in cells.run(plans, at_once))
    assert log == []
