"""Every picture of the docs has its command, and a small one is made by it."""

from __future__ import annotations

import re
import runpy
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sap_rl.cli import _parser

ROOT = Path(__file__).parents[2]
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "pictures.py"))


def test_every_picture_of_the_docs_is_made_by_a_command_and_shown() -> None:
    there = {path.name for path in (ROOT / "docs" / "images").iterdir()}
    assert there - {"profiles.png"} == set(SCRIPT["PICTURES"])  # that one by profiles.py
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = {name for page in pages for name in re.findall(r"images/([\w.]+)\)", page.read_text())}
    assert shown == there


@pytest.mark.parametrize("name", SCRIPT["PICTURES"])
def test_the_commands_are_read(name: str) -> None:
    for command in SCRIPT["PICTURES"][name].commands:
        program, *words = shlex.split(command)
        assert program == "sap-rl"
        _parser().parse_all(words)


def test_a_film_is_made_and_its_last_frame_taken(tmp_path: Path) -> None:
    pytest.importorskip("av")
    image = pytest.importorskip("PIL.Image")
    film = SCRIPT["PICTURES"]["film.png"]
    (command,) = film.commands
    short = command.replace("--seconds 14.8", "--seconds 0.3 --quiet").replace("sap-100", "none")
    SCRIPT["make"](replace(film, commands=(short,)), tmp_path / "film.png", tmp_path / "runs")
    with image.open(tmp_path / "film.png") as made:
        assert made.format == "PNG"
        assert made.width > 300


def test_what_each_needs_is_listed_and_another_name_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert SCRIPT["main"](["--list", "--to", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(SCRIPT["PICTURES"])
    assert any(
        "paper_change.png: half an hour to 90 minutes of a core per game: sap-rl" in line
        for line in lines
    )
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SystemExit, match="2"):
        SCRIPT["main"](["film"])
    assert "unknown picture 'film'; choose from attacked.gif" in capsys.readouterr().err
