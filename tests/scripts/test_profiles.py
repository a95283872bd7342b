"""The shipped agents' cameras: what stands in the file, the table and the page."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sap_rl.agents import load_agent

ROOT = Path(__file__).parents[2]
profiles = SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "profiles.py")))


def curve(corruption: str, *points: tuple[float, float]) -> list[Any]:
    """As played by an agent that returns 110 without a corruption, where random play returns 10."""
    return [profiles.Point("Some", "0", 110, 10, corruption, *point) for point in points]


def test_half_is_gone_between_two_severities_or_beyond_all() -> None:
    suite = [110.0] * 5
    points = [
        *curve("shift", (1, 110), (4, 10)),  # 60 is half of both: at 2, by the logarithm
        *curve("rotate", *zip((0.25, 0.5, 1, 2, 5), suite, strict=True)),
        *curve("brightness", (8, 10)),
    ]
    found = profiles.profiles(points)["Some"]
    assert found["shift"].where == "at"
    assert round(found["shift"].severity, 6) == 2
    assert [profiles.bears(found[name]) for name in ("rotate", "brightness")] == [1, 0]
    first, second, row = profiles.table(points).splitlines()
    cells = dict(zip(first.split(" | "), row.split(" | "), strict=True))
    names = ("clean", "shift", "rotate", "brightness", "blur")
    assert [cells[name] for name in names] == ["110", "2", "> 5", "< 8", "-"]
    assert second.count("---") == first.count(" | ") + 1


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    played = tmp_path / "profiles.csv"
    assert profiles.read(played) == []
    points = curve("jpeg", (80, 100.25), (50, 3))
    profiles.write(points, played)
    assert profiles.read(played) == points


def test_the_page_says_what_was_played_of_the_agents_as_they_are() -> None:
    points = profiles.read()
    page = (ROOT / "docs" / "corruptions.md").read_text(encoding="utf-8")
    assert profiles.table(points) in page
    for name, weights in {(point.agent, point.weights) for point in points}:
        assert profiles.weights_of(load_agent(name)) == weights
