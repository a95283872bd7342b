"""The blocks of code in README.md and docs/ are found, run and compared as they say."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "run_blocks.py"), run_name="script")
blocks, masked, same, run_page = (SCRIPT[name] for name in ("blocks", "masked", "same", "run_page"))


def wrong(folder: Path, text: str, *extras: str, write: bool = False) -> list[str]:
    """What is wrong with a page of that text."""
    page = Path(os.path.relpath(folder / "page.md"))
    page.write_text(text, encoding="utf-8")
    found: list[str] = run_page(page, set(extras), write=write)
    return found


def block(code: str, printed: str, marks: str = "", language: str = "python") -> str:
    return f"{marks}\n```{language}\n{code}\n```\n\n```\n{printed}\n```\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_can_be_run_as_its_marks_say(page: Path) -> None:
    for found in blocks(page.read_text(encoding="utf-8")):
        found.smaller()
        if found.language == "python":
            compile(found.code, f"{page.name}:{found.line}", "exec")


def test_blocks_are_run_in_one_namespace_and_compared(tmp_path: Path) -> None:
    right = block("x = 2\nprint(x)", "2") + block("print(x + 1)", "3")
    assert wrong(tmp_path, right) == []
    (told,) = wrong(tmp_path, right.replace("\n3\n", "\n4\n"))
    assert "page.md:12 prints something else:\n3" in told


def test_a_failing_block_says_why(tmp_path: Path) -> None:
    (told,) = wrong(tmp_path, block("1 / 0", ""))
    assert " fails: " in told
    assert "ZeroDivisionError" in told
    (told,) = wrong(tmp_path, block("echo out; false", "out", language="sh"))
    assert "status 1\nout" in told


def test_marks_say_what_is_run(tmp_path: Path) -> None:
    never = block("1 / 0", "", "<!-- not run: it never ends -->")
    extra = block("print(1)", "2", "<!-- run with: sb3 -->")
    small = block("print(100)", "100", "<!-- run smaller: 100 => 1 -->")
    assert wrong(tmp_path, never + extra + small) == []
    assert len(wrong(tmp_path, extra, "sb3", "report")) == 1
    assert wrong(tmp_path, extra, "report") == []
    (told,) = wrong(tmp_path, small.replace("100 =>", "200 =>"))
    assert "there is no '200'" in told


def test_a_mark_belongs_to_the_block_that_follows_it(tmp_path: Path) -> None:
    text = "<!-- not run: it never ends -->\n\nSome words.\n" + block("print(1)", "2")
    assert len(wrong(tmp_path, text)) == 1


def test_times_are_not_compared_and_numbers_are() -> None:
    table = ["lambda return s steps/s", "0 11.3 9 1718", "1 2.0 - 85", "5 minutes, epsilon 0.01"]
    other = ["lambda return   s steps/s", "0 11.3 12 918", "1 2.0 - 85", "7 minutes, epsilon 0.01"]
    assert masked(table) == masked(other)
    assert not same(table, [line.replace("11.3", "11.4") for line in other])


def test_dots_stand_for_any_lines() -> None:
    said = ["first", "...", "last"]
    assert same(said, ["first", "last"])
    assert same(said, ["first", "a", "b", "last"])
    assert not same(said, ["first", "a"])
    assert same(["first", "..."], ["first", "a", "b"])


def test_pages_are_corrected(tmp_path: Path) -> None:
    text = block("print(1)\nprint(2)", "3") + "\nwords\n" + block("print(4)", "5")
    assert wrong(tmp_path, text, write=True) == []
    found = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert found == text.replace("```\n3\n", "```\n1\n2\n").replace("```\n5\n", "```\n4\n")


def test_a_page_that_shows_the_beginning_is_corrected_there(tmp_path: Path) -> None:
    text = block("print('a\\nb\\nc')", "a\nx\n...")
    assert wrong(tmp_path, text, write=True) == []
    found = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert found == text.replace("a\nx\n...", "a\nb\n...")
    amid = block("print('a\\nb\\nc')", "x\n...\nc")
    assert len(wrong(tmp_path, amid, write=True)) == 1
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == amid


@pytest.mark.parametrize(("left", "of_it"), [(1, False), (0, True)])
def test_the_machine_is_noted_where_all_pages_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int, of_it: bool
) -> None:
    names = SCRIPT["main"].__globals__
    monkeypatch.setitem(names, "MACHINE", tmp_path / "machine.json")
    (tmp_path / "machine.json").write_text("{}", encoding="utf-8")
    monkeypatch.setitem(names, "run_page", lambda page, *_, **__: [f"{page} differs"] * left)
    assert SCRIPT["main"](["--write", "page.md"]) == 0
    assert (tmp_path / "machine.json").read_text(encoding="utf-8") == "{}"
    assert SCRIPT["main"](["--write"]) == 0
    assert ("cpu" in (tmp_path / "machine.json").read_text(encoding="utf-8")) is of_it
