"""YAML files of an earlier version mean what they meant."""

from __future__ import annotations

import pytest

from tests.compat.configs import meaning
from tests.compat.kept import FILES, assert_holds, read_json

RECORDED = read_json("configs.json")


@pytest.mark.parametrize("name", RECORDED)
def test_a_file_means_what_it_meant(name: str) -> None:
    assert_holds(meaning(FILES / name), RECORDED[name], name)


def test_every_kept_file_is_read() -> None:
    found = {str(path.relative_to(FILES)) for path in (FILES / "configs").rglob("*.yaml")}
    assert found == RECORDED.keys()
    assert len(found) == 11
