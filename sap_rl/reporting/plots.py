"""Figures of evaluations, the same in papers, reports and TensorBoard; needs matplotlib."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.reporting.curves import ChangeCurve, Curve, Panel, change_curves, curves, panels
from sap_rl.reporting.figure_style import (
    AGENT_COLOURS,
    AGENT_MARKERS,
    ARM_COLOURS,
    ARM_MARKERS,
    COLUMN,
    FAINT,
    HEIGHT,
    INK,
    PAGE,
    VICTIM_LINES,
    LambdaAxis,
    style,
)
from sap_rl.training.curve import LearningCurve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NO_PERCENT = "no percentage"
SELF_FLIPS = "thin: two clean looks"
PAPER = "Dhillon et al. 2018"
NOTES = (PAPER, NO_PERCENT, SELF_FLIPS)
"""Entries of the legend that are no line of ours."""

LETTER, HANDLE, LEGEND_LINE = 0.045, 0.4, 0.125
"""Inches that a letter, a sample line and a row of the legend take, about."""
TITLE_LETTERS = 56

Drawing = Callable[[Any, Panel], None]

LEAST_PERCENT = 50.0
"""The percentage axis reaches at least so far from 0, lest noise fills it."""
MOST_TIMES = 2.0
"""Bounds and published points farther off than so many times our own farthest are cut."""


def return_lambda_figure(evaluation: Evaluation) -> Figure:
    """Mean return with its interval against lambda, one line per player and gradient."""
    return return_figure(panels([evaluation]))


def return_figure(shown: Sequence[Panel]) -> Figure:
    """Mean returns with their BCa 95% intervals as bands, a panel per game."""
    return _figure(shown, _draw_returns)


def change_figure(shown: Sequence[Panel]) -> Figure:
    """Percentage changes with their intervals, the paper's beside them, a panel per game."""
    return _figure([panel for panel in shown if change_curves(panel)], _draw_changes)


def flip_figure(shown: Sequence[Panel]) -> Figure:
    """Shares of actions changed by the attack, and by a player's own randomness (thin)."""
    return _figure(shown, _draw_flips)


def learning_figure(curve: LearningCurve) -> Figure:
    """Returns while an agent was trained, against agent steps."""
    with style():
        from matplotlib.figure import Figure

        figure = Figure(layout="constrained")
        axes = figure.subplots()
        if curve.training:
            steps, means = zip(*curve.training, strict=True)
            label = "training, last 100 games"
            axes.plot([s / 1e6 for s in steps], means, color=FAINT, linewidth=1, label=label)
        for place, (lam, points) in enumerate(curve.evaluated.items()):
            steps, means = zip(*points, strict=True)
            axes.plot(
                [s / 1e6 for s in steps], means, color=AGENT_COLOURS[place % len(AGENT_COLOURS)],
                marker=AGENT_MARKERS[place % len(AGENT_MARKERS)], label=f"evaluated at λ {lam}",
            )  # fmt: skip
        axes.set_xlabel("agent steps (millions)")
        axes.set_ylabel("return per episode")
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        rows = _legend(figure, COLUMN)
        figure.set_size_inches(COLUMN, HEIGHT + rows)
        return figure


def _figure(shown: Sequence[Panel], draw: Drawing) -> Figure:
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
        rows = _legend(figure, width)
        figure.set_size_inches(width, (HEIGHT if columns < 3 else 0.85 * HEIGHT) * lines + rows)
        return figure


def _title(panel: Panel) -> str:
    title = f"{panel.game}, {panel.attack}"
    return f"{title}; defended: the stronger attack" if panel.several else title


def _legend(figure: Figure, width: float) -> float:
    """One for all panels, below them: inside it would hide a curve in one game or another.

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


def _draw_returns(axes: Any, panel: Panel) -> None:
    lines = curves(panel)
    at = LambdaAxis(row.lam for curve in lines for row in curve.rows)
    for curve in lines:
        if curve.arm == "random":
            _draw_floor(axes, curve.rows[0], curve.label)
        else:
            _draw_line(axes, curve, at, panel)
    axes.set_ylabel("return per episode")
    at.dress(axes)


def _draw_floor(axes: Any, row: Row, label: str) -> None:
    axes.axhline(row.mean, linestyle=":", color=FAINT, linewidth=1, label=label)
    if row.ci_low is not None and row.ci_high is not None:
        axes.axhspan(row.ci_low, row.ci_high, color=FAINT, alpha=0.15, linewidth=0)


def _draw_line(axes: Any, curve: Curve, at: LambdaAxis, panel: Panel) -> None:
    """The attacked points joined, with a band; the clean one apart, with a bar."""
    look = _look(curve.arm, curve.victim, curve.agent, panel)
    attacked = [row for row in curve.rows if row.lam > 0]
    x, mean = [at(row.lam) for row in attacked], [row.mean for row in attacked]
    axes.plot(x, mean, label=curve.label, **look)
    low = [math.nan if row.ci_low is None else row.ci_low for row in attacked]
    high = [math.nan if row.ci_high is None else row.ci_high for row in attacked]
    axes.fill_between(x, low, high, color=look["color"], alpha=0.12, linewidth=0)
    alone = [attacked[i] for i in range(len(attacked)) if _stands_alone(low, i)]
    clean = [row for row in curve.rows if row.lam == 0]
    for row in clean:
        axes.plot([at(0)], [row.mean], **look | {"linestyle": ""})
        if attacked:
            joint = {"marker": "", "linestyle": ":", "linewidth": 0.7}
            axes.plot([at(0), x[0]], [row.mean, mean[0]], **look | joint)
    for row in clean + alone:
        if row.ci_low is not None and row.ci_high is not None:
            ends = [row.ci_low, row.ci_high]
            axes.plot([at(row.lam)] * 2, ends, color=look["color"], linewidth=0.9, alpha=0.6)


def _stands_alone(bounds: list[float], i: int) -> bool:
    """Whether no band is seen at this point, for lack of a neighbour with an interval."""
    beside = [bounds[j] for j in (i - 1, i + 1) if 0 <= j < len(bounds)]
    return all(math.isnan(bound) for bound in beside)


def _look(arm: str, victim: str | None, agent: int, panel: Panel) -> dict[str, Any]:
    """Colour tells the player of one agent, or the agent where there are several."""
    if len(panel.agents) == 1:
        colour, marker = ARM_COLOURS[arm], ARM_MARKERS[arm]
        hollow = victim not in (None, "self")
    else:
        colour = AGENT_COLOURS[agent % len(AGENT_COLOURS)]
        marker = AGENT_MARKERS[agent % len(AGENT_MARKERS)]
        hollow = arm != "original"
    line = VICTIM_LINES.get(victim, ":")
    face = {"markerfacecolor": "none"} if hollow else {}
    return {"color": colour, "linestyle": line, "marker": marker, **face}


def _draw_changes(axes: Any, panel: Panel) -> None:
    lines = change_curves(panel)
    at = LambdaAxis(change.lam for line in lines for change in line.changes)
    axes.axhline(0, color=INK, linewidth=0.6)
    low, high = _percent_limits(lines)
    for place, line in enumerate(lines):
        shift = (place - (len(lines) - 1) / 2) * 0.06 * at.gap
        _draw_change_line(axes, line, at, panel, shift)
    _draw_paper(axes, lines, at, high)
    axes.set_ylim(low, high)
    axes.set_ylabel("change in return (%)")
    at.dress(axes)


def _draw_change_line(
    axes: Any, line: ChangeCurve, at: LambdaAxis, panel: Panel, shift: float
) -> None:  # fmt: skip
    """Points with bars; a cross on the axis where no percentage can be said."""
    look = _look("defended", line.victim, line.agent, panel)
    known = [change for change in line.changes if change.percent is not None]
    attacked = [change for change in known if change.lam > 0]
    axes.plot(
        [at(c.lam) + shift for c in attacked], [c.percent for c in attacked],
        label=line.label, **look,
    )  # fmt: skip
    for change in known:
        x = at(change.lam) + shift
        axes.plot([x], [change.percent], **look | {"linestyle": ""})
        if change.ci_low is not None and change.ci_high is not None:
            ends = [change.ci_low, change.ci_high]
            axes.plot([x, x], ends, color=look["color"], linewidth=0.9, alpha=0.6)
    for change in line.changes:
        if change.percent is None:
            axes.plot(
                [at(change.lam) + shift], [0.03], marker="x", color=look["color"], linestyle="",
                transform=axes.get_xaxis_transform(),
            )  # fmt: skip
            _say_once(axes, NO_PERCENT, marker="x", linestyle="")


def _say_once(axes: Any, label: str, **look: Any) -> None:
    """An entry of the legend for something that several lines have in common."""
    if label not in axes.get_legend_handles_labels()[1]:
        axes.plot([], [], color=FAINT, label=label, **look)


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
                f"{percent:+.0f}", (at(lam), y), (-4 if last else 4, -1), fontsize=6.5,
                textcoords="offset points", va="center", ha="right" if last else "left",
            )  # fmt: skip


def _percent_limits(lines: Sequence[ChangeCurve]) -> tuple[float, float]:
    """Of the percentage axis: our points, and bounds and published ones that are not far off."""
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


def _draw_flips(axes: Any, panel: Panel) -> None:
    lines = [curve for curve in curves(panel) if any(r.flip_rate is not None for r in curve.rows)]
    at = LambdaAxis(row.lam for curve in lines for row in curve.rows)
    for curve in lines:
        look = _look(curve.arm, curve.victim, curve.agent, panel)
        rows = [row for row in curve.rows if row.flip_rate is not None]
        shares = [100 * (row.flip_rate or 0.0) for row in rows]
        axes.plot([at(row.lam) for row in rows], shares, label=curve.label, **look)
        own = [row for row in curve.rows if row.self_flip_rate]
        alone = [100 * (row.self_flip_rate or 0.0) for row in own]
        thin = {"marker": "", "linewidth": 0.6, "alpha": 0.8}
        axes.plot([at(row.lam) for row in own], alone, **look | thin)
        if own:
            _say_once(axes, SELF_FLIPS, linewidth=0.6)
    axes.set_ylim(0, 103)
    axes.set_ylabel("actions changed (%)")
    at.dress(axes)
