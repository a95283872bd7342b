"""One self-contained page about the figures of classifiers; needs the extra `report`."""

from __future__ import annotations

from collections.abc import Sequence

from sap_rl.extras import PAGES, require
from sap_rl.reporting.figures.files import inline_svg
from sap_rl.reporting.figures.vision import vision_figure
from sap_rl.reporting.page.template import filled_page
from sap_rl.reporting.tables.vision import figure_notes, figure_tables
from sap_rl.vision.figures import DrawnLine, FigurePlan

TITLE = "Stochastic activation pruning on CIFAR-10"


def vision_page(shown: Sequence[tuple[FigurePlan, Sequence[DrawnLine]]]) -> str:
    """The page: a section per figure with its picture, tables and notes."""
    require(PAGES, "pages")
    parts = [
        {
            "name": plan.name,
            "title": plan.title,
            "svg": inline_svg(vision_figure(plan, drawn), plan.name, plan.title),
            "tables": figure_tables(plan, drawn),
            "notes": figure_notes(plan, drawn),
        }
        for plan, drawn in shown
    ]
    return filled_page("vision.html", title=TITLE, parts=parts)
