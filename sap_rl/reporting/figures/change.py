"""The figure of percentage changes beside the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sap_rl.reporting.figures.curves import ChangeCurve, Panel, change_curves
from sap_rl.reporting.figures.layout import (
    CLIPPED,
    NO_PERCENT,
    PAPER,
    level_axis,
    look,
    say_once,
)
from sap_rl.reporting.figures.style import FAINT, INK, LambdaAxis

LEAST_PERCENT = 50.0
"""The percentage axis reaches at least so far from 0, lest noise fills it."""
MOST_TIMES = 2.0
"""Bounds and published points farther off than so many times our own farthest are cut."""


def draw_changes(axes: Any, panel: Panel) -> None:
    """Points with their intervals, a line per victim or evaluation, and the paper's points."""
    lines = change_curves(panel)
    at = level_axis(panel, (change.lam for line in lines for change in line.changes))
    axes.axhline(0, color=INK, linewidth=0.6)
    low, high = _percent_limits(lines)
    for place, line in enumerate(lines):
        shift = (place - (len(lines) - 1) / 2) * 0.06 * at.gap
        _draw_change_line(axes, line, at, panel, shift)
        _mark_clipped(axes, line, at, shift, (low, high))
    _mark_missing(axes, lines, at)
    _draw_paper(axes, lines, at, high)
    axes.set_ylim(low, high)
    axes.set_ylabel("change in return (%)")
    at.dress(axes)


def _draw_change_line(
    axes: Any, line: ChangeCurve, at: LambdaAxis, panel: Panel, shift: float
) -> None:  # fmt: skip
    """Points with bars."""
    shape = look("defended", line.victim, line.agent, panel)
    known = [change for change in line.changes if change.percent is not None]
    attacked = [change for change in known if change.lam > 0]
    axes.plot(
        [at(c.lam) + shift for c in attacked], [c.percent for c in attacked],
        label=line.label, **shape,
    )  # fmt: skip
    for change in known:
        x = at(change.lam) + shift
        axes.plot([x], [change.percent], **shape | {"linestyle": ""})
        if change.ci_low is not None and change.ci_high is not None:
            ends = [change.ci_low, change.ci_high]
            axes.plot([x, x], ends, color=shape["color"], linewidth=0.9, alpha=0.6)


def _mark_clipped(
    axes: Any, line: ChangeCurve, at: LambdaAxis, shift: float, limits: tuple[float, float]
) -> None:
    """An arrowhead where an interval goes on beyond the axis."""
    for change in line.changes:
        if change.percent is None or change.ci_low is None or change.ci_high is None:
            continue
        for beyond, end, marker in (
            (change.ci_low < limits[0], limits[0], 11),  # matplotlib's carets, their tips outwards
            (change.ci_high > limits[1], limits[1], 10),
        ):
            if beyond:
                place = {"color": FAINT, "linestyle": "", "marker": marker, "clip_on": False}
                axes.plot([at(change.lam) + shift], [end], **place)
                say_once(axes, CLIPPED, marker=10, linestyle="")


def _mark_missing(axes: Any, lines: Sequence[ChangeCurve], at: LambdaAxis) -> None:
    """A word below the axis where no percentage can be said: a mark would pass for a point."""
    missing = {c.lam for line in lines for c in line.changes if c.percent is None}
    for lam in sorted(missing):
        axes.annotate(
            "n/a", (at(lam), 0), (0, 2), xycoords=axes.get_xaxis_transform(), fontsize=6,
            textcoords="offset points", ha="center", va="bottom", color=FAINT, style="italic",
        )  # fmt: skip
    if missing:
        say_once(axes, NO_PERCENT, linestyle="")


def _draw_paper(axes: Any, lines: Sequence[ChangeCurve], at: LambdaAxis, high: float) -> None:
    """The published percentages as diamonds; those beyond the axis as arrows with a number."""
    paper = {c.lam: c.paper_percent for line in lines for c in line.changes}
    paper |= {
        c.lam: c.paper_percent
        for line in lines
        for c in line.changes
        if c.paper_percent is not None
    }
    label: str | None = PAPER
    for lam, percent in sorted(paper.items()):
        if percent is None:
            continue
        beyond = percent > high
        y, marker = (0.97 * high, "^") if beyond else (percent, "D")
        axes.plot(
            [at(lam)], [y], marker=marker, color=INK, markerfacecolor="none", linestyle="",
            label=label,
        )  # fmt: skip
        label = None
        if beyond:
            last = at(lam) == at.end
            axes.annotate(
                f"{percent:+.0f}", (at(lam), y), (4 if last else 0, -5), fontsize=6.5,
                textcoords="offset points", va="top", ha="right" if last else "center",
            )  # fmt: skip


def _percent_limits(lines: Sequence[ChangeCurve]) -> tuple[float, float]:
    """Ends of the percentage axis: our points fit, and bounds and the paper's if not far off."""
    changes = [change for line in lines for change in line.changes]
    ours = [change.percent for change in changes if change.percent is not None]
    farthest = MOST_TIMES * max([LEAST_PERCENT, *map(abs, ours)])
    bounds = [c for change in changes for c in (change.ci_low, change.ci_high) if c is not None]
    paper = [change.paper_percent for change in changes if change.paper_percent is not None]
    near = [*ours, *(v for v in (*bounds, *paper) if abs(v) <= farthest), 0.0]
    reach = [farthest] if any(v > farthest for v in (*bounds, *paper)) else []
    low, high = min([*near, -LEAST_PERCENT]), max([*near, LEAST_PERCENT, *reach])
    room = 0.06 * (high - low)
    return low - room, high + room
