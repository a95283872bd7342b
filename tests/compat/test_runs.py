"""Checkpoints of an earlier version: the run goes on from them to the end that it would have had.

The runs went through corridors with a network of a few hundred weights, so that they could be kept.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.compat import runs
from tests.compat.kept import FILES, read_json
from tests.compat.machine import must_repeat


@pytest.mark.parametrize(("name", "run"), [("train", runs.train), ("harden", runs.harden)])
def test_a_run_goes_on_to_the_same_end(name: str, run: Any, tmp_path: Path) -> None:
    golden = read_json(f"{name}.json")
    del golden["progress"]["evaluated"]  # no longer kept: the curve tells
    shutil.unpack_archive(FILES / f"{name}.zip", tmp_path)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["000002"]
    run(tmp_path, resume=True)
    found = runs.fingerprint(tmp_path)
    assert found["hashes"].keys() == golden["hashes"].keys()
    assert found["progress"]["number"] == golden["progress"]["number"] == 4
    assert found["curve"][0].keys() == golden["curve"][0].keys()
    if must_repeat(golden):
        for part in ("progress", "hashes", "curve"):
            assert found[part] == golden[part], part
