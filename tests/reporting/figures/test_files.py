"""Figures as files, and inside a page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from sap_rl.errors import UsageError
from sap_rl.reporting.figures.curves import panels
from sap_rl.reporting.figures.files import inline_svg, paper_figures, save_figures
from sap_rl.reporting.figures.plots import change_figure, return_figure
from tests.reporting.made import evaluation


def test_every_figure_is_written_twice_and_repeats_bit_for_bit(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        written = save_figures(paper_figures([evaluation((1.0, 4.0))]), folder)
        assert [path.name for path in written] == [
            "return.pdf", "return.png", "change.pdf", "change.png", "flips.pdf", "flips.png",
        ]  # fmt: skip
    for path in folders[0].iterdir():
        data = path.read_bytes()
        assert data.startswith({".pdf": b"%PDF", ".png": b"\x89PNG"}[path.suffix])
        assert data == (folders[1] / path.name).read_bytes()
    assert b"/Type3" not in (folders[0] / "return.pdf").read_bytes(), "fonts that printers take"


def test_texts_of_strangers_are_escaped(tmp_path: Path) -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], label="\x1b[2J \u4e2d")
    axes.set_title("two\nlines\x07")
    figure.legend()
    text = inline_svg(figure, "one", "")
    assert "\\x1b[2J \u4e2d" in text
    assert "lines\\x07" in text
    assert "\\n" not in text
    ET.fromstring(text)
    save_figures({"one": figure}, tmp_path)  # a warning of a glyph would be an error here


def test_what_nobody_played_is_not_drawn() -> None:
    assert list(paper_figures([evaluation((0.0,), defense=None)])) == ["return"]
    assert list(paper_figures([evaluation((1.0,), defense=None)])) == ["return", "flips"]


def test_a_page_decides_the_colours_and_two_figures_share_no_id() -> None:
    shown = panels([evaluation()])
    texts = [
        inline_svg(return_figure(shown), "one", "Returns"),
        inline_svg(change_figure(shown), "two", "Changes"),
    ]
    ids: list[str] = []
    for text, name in zip(texts, ("one", "two"), strict=True):
        root = ET.fromstring(text)
        found = [element.get("id") for element in root.iter() if element.get("id")]
        assert all(str(one).startswith(f"{name}-") for one in found)
        ids += [str(one) for one in found]
        used = set(re.findall(r"(?:href=\"#|url\(#)([^\")]+)", text))
        assert used <= set(found), "every reference leads somewhere"
        colours = set(re.findall(r"#[0-9a-f]{6}\b", text))
        assert colours <= {"#ffffff"}, colours
        assert "var(--line-1)" in text
        assert "currentColor" in text
        assert not {"width", "height"} & set(root.keys()), "as wide as the page has room"
        assert "<metadata>" not in text
    assert len(ids) == len(set(ids))
    assert 'aria-label="Returns"' in texts[0]
    assert "sap-100, own gradient" in texts[0], "text is text"


def test_names_are_escaped_and_no_mathematics() -> None:
    name = '</text><script>alert(1)</script>"&$x^2$ -->'
    shown = panels([evaluation(agent=name), evaluation(agent="other", sha256="1")])
    text = inline_svg(return_figure(shown), "n", f'alt "{name}"')
    assert "<script" not in text
    root = ET.fromstring(text)
    words = [str(element.text) for element in root.iter() if element.tag.endswith("text")]
    assert name in words
    assert root.get("aria-label") == f'alt "{name}"'


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        save_figures({"x": Figure()}, tmp_path / "missing")
