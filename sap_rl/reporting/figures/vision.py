"""The figures of the paper's CIFAR-10 half: ours and its points in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sap_rl.reporting.figures.layout import PAPER, add_legend, say_once
from sap_rl.reporting.figures.style import (
    AGENT_COLOURS,
    COLUMN,
    FAINT,
    HEIGHT,
    INK,
    PAGE,
    LambdaAxis,
    style,
)
from sap_rl.vision.figures import DrawnLine, FigurePlan
from sap_rl.vision.paper import paper_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (*AGENT_COLOURS, INK, FAINT)
MARKERS = "osD^vPX*"


def vision_figure(plan: FigurePlan, drawn: Sequence[DrawnLine]) -> Figure:
    """The picture of a figure, as far as its lines are computed."""
    return _calibration(drawn) if plan.kind == "calibration" else _accuracy(drawn)


def _accuracy(drawn: Sequence[DrawnLine]) -> Figure:
    """Accuracy against lambda with intervals as bands; the paper's points hollow."""
    with style():
        from matplotlib.figure import Figure

        figure = Figure(layout="constrained")
        axes = figure.subplots()
        at = LambdaAxis(lam for part in drawn for lam in part.line.settings.lams)
        for place, part in enumerate(drawn):
            _draw_line(axes, part, at, place)
        axes.set_ylim(0, 100)
        axes.set_ylabel("accuracy (%)")
        at.dress(axes)
        width = COLUMN if len(drawn) < 9 else PAGE
        rows = add_legend(figure, width)
        figure.set_size_inches(width, 1.2 * HEIGHT + rows)
        return figure


def _draw_line(axes: Any, part: DrawnLine, at: LambdaAxis, place: int) -> None:
    colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    turn = ("-", "--")[place // len(COLOURS) % 2]
    if part.found is not None:
        rows = sorted(part.found.rows, key=lambda row: row.lam)
        x = [at(row.lam) for row in rows]
        axes.plot(
            x, [row.accuracy for row in rows], color=colour, marker=marker, linestyle=turn,
            label=part.line.label,
        )  # fmt: skip
        low, high = [row.low for row in rows], [row.high for row in rows]
        axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
    if part.line.paper is not None:
        known = paper_lines()[part.line.paper]
        points = [(at(lam), y) for lam, y in known.items() if lam in part.line.settings.lams]
        axes.plot(
            *zip(*points, strict=True), color=colour, marker=marker, markerfacecolor="none",
            linestyle=":", linewidth=0.6,
        )  # fmt: skip
        say_once(axes, PAPER, marker="o", markerfacecolor="none", linestyle=":")


def _calibration(drawn: Sequence[DrawnLine]) -> Figure:
    """Share of predictions that are right against their confidence, a panel per classifier."""
    with style():
        from matplotlib.figure import Figure

        figure = Figure(layout="constrained")
        panels = figure.subplots(2, -(-len(drawn) // 2), squeeze=False, sharex=True, sharey=True)
        for axes, part in zip(panels.flat, drawn, strict=False):
            axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.6)
            axes.set_title(part.line.label)
            for place, row in enumerate(part.found.rows if part.found else ()):
                bins = row.calibration.bins
                axes.errorbar(
                    [each.confidence for each in bins], [each.accuracy for each in bins],
                    [[each.accuracy - each.low for each in bins],
                     [each.high - each.accuracy for each in bins]],
                    color=COLOURS[place % len(COLOURS)], marker=MARKERS[place % len(MARKERS)],
                    elinewidth=0.4, label=f"λ {row.lam:g}",
                )  # fmt: skip
        for axes in panels[:, 0]:
            axes.set_ylabel("share right")
        for axes in panels[-1]:
            axes.set_xlabel("confidence")
        rows = add_legend(figure, PAGE)
        figure.set_size_inches(PAGE, 2 * HEIGHT + rows)
        return figure
