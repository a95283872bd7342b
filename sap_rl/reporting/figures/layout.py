"""How a figure of several panels is laid out, and what its lines look like."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

from sap_rl.reporting.figures.curves import Panel
from sap_rl.reporting.figures.style import (
    AGENT_COLOURS,
    AGENT_MARKERS,
    ARM_COLOURS,
    ARM_MARKERS,
    COLUMN,
    FAINT,
    HEIGHT,
    PAGE,
    VICTIM_LINES,
    LambdaAxis,
    style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NO_PERCENT = "n/a: too little is left"
CLIPPED = "interval goes on"
SELF_FLIPS = "thin: two clean looks"
PAPER = "Dhillon et al. 2018"
NOTES = (PAPER, NO_PERCENT, CLIPPED, SELF_FLIPS)
"""Entries of the legend that are no line of ours."""
LETTER, HANDLE, LEGEND_LINE = 0.045, 0.4, 0.125
"""Inches that a letter, a sample line and a row of the legend take, about."""
TITLE_LETTERS = 56

Drawing = Callable[[Any, Panel], None]


def panel_figure(shown: Sequence[Panel], draw: Drawing) -> Figure:
    """A figure with each panel drawn by `draw(axes, panel)`, as wide as a column or a page."""
    with style():
        from matplotlib.figure import Figure

        columns = 1 if len(shown) == 1 else 2 if len(shown) in (2, 4) else 3
        lines = math.ceil(len(shown) / columns)
        figure = Figure(layout="constrained")
        axes = list(figure.subplots(lines, columns, squeeze=False).flat)
        for place, panel in zip(axes, shown, strict=False):
            draw(place, panel)
            place.set_title(fill(_title(panel), TITLE_LETTERS // (2 if columns == 3 else 1)))
        for place in axes[len(shown) :]:
            place.remove()
        width = COLUMN if columns == 1 else PAGE
        rows = add_legend(figure, width)
        figure.set_size_inches(width, (HEIGHT if columns < 3 else 0.85 * HEIGHT) * lines + rows)
        return figure


def _title(panel: Panel) -> str:
    title = f"{panel.game}, {panel.attack}"
    return f"{title}; defended: the stronger attack" if panel.several else title


def add_legend(figure: Figure, width: float) -> float:
    """Add one legend for all panels, below them: inside it would hide a curve in some game.

    Returns its height in inches.
    """
    found: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    found = dict(sorted(found.items(), key=lambda entry: entry[0] in NOTES))
    longest = max(map(len, found), default=0)
    columns = max(1, int(width / (LETTER * longest + HANDLE)))
    figure.legend(
        list(found.values()), list(found), loc="outside lower center", ncols=columns
    )  # fmt: skip
    return LEGEND_LINE * math.ceil(len(found) / columns)


def look(arm: str, victim: str | None, agent: int, panel: Panel) -> dict[str, Any]:
    """How a line is drawn: colour tells the players, or the agents where there are several."""
    if len(panel.agents) == 1:
        colour, marker = ARM_COLOURS[arm], ARM_MARKERS[arm]
        hollow = victim not in (None, "own")
    else:
        colour = AGENT_COLOURS[agent % len(AGENT_COLOURS)]
        marker = AGENT_MARKERS[agent % len(AGENT_MARKERS)]
        hollow = arm != "original"
    line = VICTIM_LINES.get(victim, ":")
    face = {"markerfacecolor": "none"} if hollow else {}
    return {"color": colour, "linestyle": line, "marker": marker, **face}


def level_axis(panel: Panel, levels: Iterable[float]) -> LambdaAxis:
    """The axis of a panel's lambdas, or of its corruption's severities."""
    if panel.corruption is None:
        return LambdaAxis(levels)
    return LambdaAxis(levels, label=panel.level, clean="clean")


def say_once(axes: Any, label: str, **look: Any) -> None:
    """An entry of the legend for something that several lines have in common."""
    if label not in axes.get_legend_handles_labels()[1]:
        axes.plot([], [], color=FAINT, label=label, **look)
