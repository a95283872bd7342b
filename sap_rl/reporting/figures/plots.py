"""Figures of evaluations, the same in papers, reports and TensorBoard; needs matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.reporting.figures.change import draw_changes
from sap_rl.reporting.figures.curves import Curve, Panel, change_curves, curves, panels
from sap_rl.reporting.figures.layout import (
    SELF_FLIPS,
    add_legend,
    level_axis,
    look,
    panel_figure,
    say_once,
)
from sap_rl.reporting.figures.style import (
    AGENT_COLOURS,
    AGENT_MARKERS,
    COLUMN,
    FAINT,
    HEIGHT,
    LambdaAxis,
    style,
)
from sap_rl.training.curve import LearningCurve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def return_lambda_figure(evaluation: Evaluation) -> Figure:
    """Mean return with its interval against lambda, one line per player and gradient."""
    return return_figure(panels([evaluation]))


def return_figure(shown: Sequence[Panel]) -> Figure:
    """Mean returns with their BCa 95% intervals as bands, a panel per game."""
    return panel_figure(shown, _draw_returns)


def change_figure(shown: Sequence[Panel]) -> Figure:
    """Percentage changes with their intervals, the paper's beside them, a panel per game."""
    return panel_figure([panel for panel in shown if change_curves(panel)], draw_changes)


def flip_figure(shown: Sequence[Panel]) -> Figure:
    """Shares of actions changed by the attack, and by a player's own randomness (thin)."""
    return panel_figure(shown, _draw_flips)


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
        rows = add_legend(figure, COLUMN)
        figure.set_size_inches(COLUMN, HEIGHT + rows)
        return figure


def _draw_returns(axes: Any, panel: Panel) -> None:
    lines = curves(panel)
    at = level_axis(panel, (row.lam for curve in lines for row in curve.rows))
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
    shape = look(curve.arm, curve.victim, curve.agent, panel)
    attacked = [row for row in curve.rows if row.lam > 0]
    x, mean = [at(row.lam) for row in attacked], [row.mean for row in attacked]
    axes.plot(x, mean, label=curve.label, **shape)
    low = [math.nan if row.ci_low is None else row.ci_low for row in attacked]
    high = [math.nan if row.ci_high is None else row.ci_high for row in attacked]
    axes.fill_between(x, low, high, color=shape["color"], alpha=0.12, linewidth=0)
    alone = [attacked[i] for i in range(len(attacked)) if _stands_alone(low, i)]
    clean = [row for row in curve.rows if row.lam == 0]
    for row in clean:
        axes.plot([at(0)], [row.mean], **shape | {"linestyle": ""})
        if attacked:
            joint = {"marker": "", "linestyle": ":", "linewidth": 0.7}
            axes.plot([at(0), x[0]], [row.mean, mean[0]], **shape | joint)
    for row in clean + alone:
        if row.ci_low is not None and row.ci_high is not None:
            ends = [row.ci_low, row.ci_high]
            axes.plot([at(row.lam)] * 2, ends, color=shape["color"], linewidth=0.9, alpha=0.6)


def _stands_alone(bounds: list[float], i: int) -> bool:
    """Whether no band is seen at this point, for lack of a neighbour with an interval."""
    beside = [bounds[j] for j in (i - 1, i + 1) if 0 <= j < len(bounds)]
    return all(math.isnan(bound) for bound in beside)


def _draw_flips(axes: Any, panel: Panel) -> None:
    lines = [curve for curve in curves(panel) if any(r.flip_rate is not None for r in curve.rows)]
    at = level_axis(panel, (row.lam for curve in lines for row in curve.rows))
    for curve in lines:
        shape = look(curve.arm, curve.victim, curve.agent, panel)
        rows = [row for row in curve.rows if row.flip_rate is not None]
        shares = [100 * (row.flip_rate or 0.0) for row in rows]
        axes.plot([at(row.lam) for row in rows], shares, label=curve.label, **shape)
        own = [row for row in curve.rows if row.self_flip_rate]
        alone = [100 * (row.self_flip_rate or 0.0) for row in own]
        thin = {"marker": "", "linewidth": 0.6, "alpha": 0.8}
        axes.plot([at(row.lam) for row in own], alone, **shape | thin)
        if own:
            say_once(axes, SELF_FLIPS, linewidth=0.6)
    axes.set_ylim(0, 103)
    axes.set_ylabel("actions changed (%)")
    at.dress(axes)
