"""YAML files of an earlier version mean what they meant."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compat.configs import meaning
from tests.compat.kept import FILES, assert_holds, read_json

RECORDED = read_json("configs.json")


@pytest.mark.parametrize("name", RECORDED)
def test_a_file_means_what_it_meant(name: str) -> None:
    found, recorded = meaning(FILES / name), RECORDED[name]
    if "experiments" in found:
        found = without_younger_agents(found, recorded["skipped"])
    assert_holds(found, recorded, name)


def without_younger_agents(found: dict[str, Any], skipped: list[str]) -> dict[str, Any]:
    """A sweep's meaning where games are still skipped whose agents came later."""
    played = [part for part in found["experiments"] if part["settings"]["game"] not in skipped]
    assert set(found["skipped"]) <= set(skipped)
    return {"experiments": played, "skipped": skipped}


def test_every_kept_file_is_read() -> None:
    found = {str(path.relative_to(FILES)) for path in (FILES / "configs").rglob("*.yaml")}
    assert found == RECORDED.keys()
    assert len(found) == 11
