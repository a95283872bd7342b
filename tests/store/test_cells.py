"""Results that are found by what determines them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sap_rl import UsageError
from sap_rl.store.cells import KeptResults, cell_key

FACTS = {"lambda": 0.25, "entry": {"attack": "pgd", "options": (1, 2)}}


def test_a_result_is_found_by_its_facts_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "er"
    kept = KeptResults(folder)
    assert kept.find(FACTS) is None
    kept.keep(FACTS, {"mean": 1.5, "returns": [1, 2]})
    assert KeptResults(folder).find(FACTS) == {"mean": 1.5, "returns": [1, 2]}
    assert KeptResults(folder).find(FACTS | {"lambda": 0.5}) is None


def test_the_order_of_facts_does_not_matter() -> None:
    assert cell_key(FACTS) == cell_key(dict(reversed(FACTS.items())))
    assert cell_key(FACTS) != cell_key(FACTS | {"lambda": 0.250001})


def test_facts_of_an_earlier_version_are_found_as_they_are_spelled_now(tmp_path: Path) -> None:
    """Whatever the file is called."""
    KeptResults(tmp_path).keep({"budget": 1, "old": True}, {"mean": 1})
    kept = KeptResults(tmp_path, lambda facts: {"lambda": facts["budget"]})
    assert kept.find({"lambda": 1}) == {"mean": 1}
    assert kept.find({"budget": 1, "old": True}) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"facts": {}, "cell": {}}', '{"facts": [], "cell": {}}', "\x00"]
)
def test_a_broken_file_is_a_missing_one(text: str, tmp_path: Path) -> None:
    KeptResults(tmp_path).keep(FACTS, {"mean": 1})
    (file,) = tmp_path.iterdir()
    file.write_text(text)
    assert KeptResults(tmp_path, lambda facts: dict(facts.items())).find(FACTS) is None


def test_no_file_beside_the_result_is_left(tmp_path: Path) -> None:
    KeptResults(tmp_path).keep(FACTS, {"mean": 1})
    (file,) = tmp_path.iterdir()
    assert file.name == f"{cell_key(FACTS)}.json"
    assert json.loads(file.read_text())["cell"] == {"mean": 1}


def test_nan_is_never_stored(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        KeptResults(tmp_path).keep(FACTS, {"mean": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write to"):
        KeptResults(tmp_path / "file" / "folder")
