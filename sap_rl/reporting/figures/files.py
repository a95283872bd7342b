"""Figures as files for a paper and as SVG for a page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sap_rl.errors import UsageError, printable
from sap_rl.evaluation.results import Evaluation
from sap_rl.extras import FIGURES, require
from sap_rl.files import check_writable, write_atomically
from sap_rl.reporting.figures.curves import change_curves, panels
from sap_rl.reporting.figures.plots import change_figure, flip_figure, return_figure
from sap_rl.reporting.figures.style import (
    AGENT_COLOURS,
    FAINT,
    INK,
    style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("pdf", "png")
KINDS = (*FORMATS, "svg")
"""What a figure can be written as."""

PAGE_COLOURS = {INK: "currentColor", FAINT: "var(--faint)"} | {
    colour: f"var(--line-{i})" for i, colour in enumerate(AGENT_COLOURS)
}
"""What a figure's colours become in a page, which then decides them for light and dark."""


def paper_figures(evaluations: Sequence[Evaluation]) -> dict[str, Figure]:
    """Figures by name, each with a panel per game and attack."""
    shown = panels(evaluations)
    figures = {"return": return_figure(shown)}
    if any(change_curves(panel) for panel in shown):
        figures["change"] = change_figure(shown)
    if any(row.flip_rate is not None for e in evaluations for row in e.rows):
        figures["flips"] = flip_figure(shown)
    return figures


def save_figures(figures: dict[str, Figure], folder: Path) -> list[Path]:
    """Write each as PDF and PNG into a folder that exists; returns the paths in order."""
    written = []
    for name, figure in figures.items():
        for kind in FORMATS:
            path = folder / f"{name}.{kind}"
            save_figure(figure, path)
            written.append(path)
    return written


def check_figure_path(path: Path) -> None:
    """Refuse, before anything is computed, a file in which no figure could be written."""
    require(FIGURES, "figures")
    if path.suffix[1:] not in KINDS:
        raise UsageError(f"a figure is a {', '.join(KINDS)} file, got '{path}'")
    check_writable(path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the file's name ends in."""
    write_atomically(path, _saved(figure, path.suffix[1:]))


def inline_svg(figure: Figure, name: str, alt: str) -> str:
    """A figure for the inside of a page: its text as text, its colours the page's own.

    name: unique in the page, for ids; alt: what it shows, in words.
    """
    text = _saved(figure, "svg").decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"\bid=\"", f'id="{name}-', text)
    text = re.sub(r"(xlink:href=\"#|url\(#)", rf"\g<1>{name}-", text)
    for colour, variable in PAGE_COLOURS.items():
        text = text.replace(colour, variable)
    opening, rest = text.split(">", 1)
    opening = re.sub(r' (width|height)="[^"]*"', "", opening)
    return f'{opening} role="img" aria-label="{_attribute(alt)}">{rest}'


def _saved(figure: Figure, kind: str) -> bytes:
    """The figure as bytes without dates: the same figure gives the same bytes. Controls in its
    texts are escaped; letters that its font lacks are boxes."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_text("\n".join(map(printable, text.get_text().split("\n"))))
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind, {})
    file = io.BytesIO()
    with style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+", UserWarning)
        figure.savefig(
            file, format=kind, metadata=metadata, transparent=kind == "svg"
        )  # fmt: skip
    return file.getvalue()


def _attribute(text: str) -> str:
    return (
        text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
    )
