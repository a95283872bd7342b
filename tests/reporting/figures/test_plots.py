"""Figures draw the numbers they are given, where they belong."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sap_rl.play.arms import Arm
from sap_rl.reporting.figures.curves import change_curves, curves, panels
from sap_rl.reporting.figures.layout import CLIPPED, NO_PERCENT, PAPER
from sap_rl.reporting.figures.plots import (
    change_figure,
    flip_figure,
    learning_figure,
    return_figure,
    return_lambda_figure,
)
from sap_rl.reporting.figures.style import LambdaAxis
from sap_rl.training.curve import LearningCurve
from tests.reporting.made import evaluation


def drawn(axes: Any) -> dict[str, list[list[float]]]:
    """Lines with a name of their own: label -> points."""
    lines = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
    return {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in lines}


def unnamed(axes: Any) -> list[list[list[float]]]:
    """Lines without a name, marks and bars: their points."""
    lines = [line for line in axes.get_lines() if str(line.get_label()).startswith("_")]
    return [np.asarray(line.get_xydata()).tolist() for line in lines]


def test_lambdas_stand_on_a_log_axis_and_0_apart() -> None:
    at = LambdaAxis([0.25, 1.0, 4.0])
    assert [at(lam) for lam in (0.25, 0.5, 1.0, 4.0)] == [-2.0, -1.0, 0.0, 2.0]
    assert at(0.0) == -3.0
    wide = LambdaAxis([0.05, 8.0])
    assert wide(0.0) == pytest.approx(math.log2(0.05) - 0.14 * math.log2(160))


def test_every_attacked_mean_is_a_point_of_its_line() -> None:
    whole = evaluation()
    axes = return_lambda_figure(whole).axes[0]
    lines = drawn(axes)
    assert lines.pop("random policy") == [[0.0, 10.0], [1.0, 10.0]]
    for curve in curves(panels([whole])[0]):
        if curve.arm != "random":
            wanted = [[math.log2(row.lam), row.mean] for row in curve.rows if row.lam]
            np.testing.assert_allclose(lines.pop(curve.label), wanted)
    assert not lines
    for arm in ("original", "defended", "noise-control"):
        row = whole.row(arm)
        assert row is not None
        assert [[-3.0, row.mean]] in unnamed(axes), f"the clean point of {arm}"
        assert [[-3.0, row.ci_low], [-3.0, row.ci_high]] in unnamed(axes), "and its interval"


def test_bands_are_the_intervals() -> None:
    whole = evaluation()
    axes = return_figure(panels([whole])).axes[0]
    row = whole.row("original", 1.0, "own")
    assert row is not None
    corners = [path.vertices.tolist() for band in axes.collections for path in band.get_paths()]
    assert any([0.0, row.ci_low] in band and [0.0, row.ci_high] in band for band in corners)


def test_a_point_without_neighbours_has_a_bar_instead_of_a_band() -> None:
    whole = evaluation((1.0,))
    row = whole.row("original", 1.0, "own")
    assert row is not None
    axes = return_figure(panels([whole])).axes[0]
    assert [[0.0, row.ci_low], [0.0, row.ci_high]] in unnamed(axes)


def test_an_interval_that_is_missing_breaks_the_band() -> None:
    """All returns equal at lambda 1: no interval there, the others stand alone."""
    arm = Arm("original", 1.0, "own")
    whole = evaluation(brought={arm: [7.0] * 4}, defense=None)
    axes = return_figure(panels([whole])).axes[0]
    for lam in (0.25, 4.0):
        row = whole.row("original", lam, "own")
        assert row is not None
        x = math.log2(lam)
        assert [[x, row.ci_low], [x, row.ci_high]] in unnamed(axes)


def test_ticks_are_the_lambdas_as_far_as_there_is_room() -> None:
    axes = return_figure(panels([evaluation((0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0))])).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [
        "0", "0.05", "0.1", "0.25", "0.5", "1", "2", "4", "8",
    ]  # fmt: skip
    axes = return_figure(panels([evaluation((0.05, 0.051, 8.0))])).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "0.05", "8"]
    assert len(axes.get_xticks(minor=True)) == 1


def test_percentages_and_the_papers_stand_side_by_side() -> None:
    whole = evaluation(game="Assault")
    axes = change_figure(panels([whole])).axes[0]
    lines = drawn(axes)
    own, transfer = change_curves(panels([whole])[0])
    for line in (own, transfer):
        points = lines[line.label]
        assert [y for _, y in points] == [c.percent for c in line.changes if c.lam]
    marks = [line for line in axes.get_lines() if line.get_marker() in ("D", "^")]
    paper = [np.asarray(line.get_xydata()).tolist() for line in marks]
    assert paper == [[[-3.0, -12.2]], [[0.0, 10.4]], [[2.0, 12.4]]], "Table 1, Assault"
    assert PAPER in lines


def test_published_percentages_off_the_axis_are_arrows_with_their_number() -> None:
    axes = change_figure(panels([evaluation()])).axes[0]  # BankHeist: +131.7 and +1760
    low, high = axes.get_ylim()
    assert high < 200
    arrows = [line for line in axes.get_lines() if line.get_marker() == "^"]
    assert [np.asarray(line.get_xydata()).tolist()[0][0] for line in arrows] == [0.0, 2.0]
    assert all(low < np.asarray(line.get_ydata())[0] < high for line in arrows)
    assert [text.get_text() for text in axes.texts] == ["+132", "+1760"]


def test_where_nothing_is_left_words_stand_instead_of_a_percentage() -> None:
    """A mark would pass for a point."""
    gone = {Arm("original", 4.0, "own"): [0.0, 1.0, 0.0, 1.0]}
    whole = evaluation(brought=gone)
    assert all(change.percent is None for change in whole.changes if change.lam == 4)
    axes = change_figure(panels([whole])).axes[0]
    assert NO_PERCENT in drawn(axes)
    words = [text for text in axes.texts if text.get_text() == "n/a"]
    assert [text.xy for text in words] == [(2.0, 0)]
    ours = [line for line in axes.get_lines() if line.get_marker() in ("o", "s")]
    assert all(x != 2.0 for line in ours for x in line.get_xdata())


def test_intervals_that_go_on_beyond_the_axis_are_marked() -> None:
    whole = evaluation()
    assert CLIPPED not in drawn(change_figure(panels([whole])).axes[0])
    wide = [replace(c, ci_high=4000.0) if c.lam == 1 and c.headline else c for c in whole.changes]
    axes = change_figure(panels([replace(whole, changes=tuple(wide))])).axes[0]
    assert CLIPPED in drawn(axes)
    marks = [m for m in axes.get_lines() if m.get_marker() in (10, 11) and len(m.get_xdata())]
    assert [(round(m.get_xdata()[0]), m.get_ydata()[0]) for m in marks] == [(0, axes.get_ylim()[1])]


def test_flip_rates_are_in_percent() -> None:
    axes = flip_figure(panels([evaluation()])).axes[0]
    assert drawn(axes)["original"] == [[x, 75.0] for x in (-2.0, 0.0, 2.0)]
    thin = [points for points in unnamed(axes) if len(points) == 4]
    assert [[-3.0, 25.0], [-2.0, 25.0], [0.0, 25.0], [2.0, 25.0]] in thin, "sap-100's own flips"


def test_a_panel_per_game_and_one_legend() -> None:
    games = ("Assault", "BankHeist", "Bowling")
    figure = return_figure(panels([evaluation(game=game) for game in games]))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [f"{g}, fgsm" for g in games]
    assert len(figure.legends) == 1
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(labels) == len(set(labels)) == 6


def test_the_legend_fits_beside_itself() -> None:
    """Nothing of the figure sticks out of the paper, whatever the names."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    long = evaluation(agent="an-agent-with-quite-a-long-name", sha256="1", brought={})
    shown = panels([evaluation(brought={Arm("original"): [5.0, 6, 7, 8]}), long])
    for figure in (return_figure(shown), change_figure(shown), flip_figure(shown)):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        box = figure.legends[0].get_window_extent(canvas.get_renderer())
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert figure.axes[0].get_window_extent().height > 0.4 * figure.bbox.height


def test_a_learning_curve_is_in_millions_of_steps() -> None:
    curve = LearningCurve(((500_000, 3.0), (1_000_000, 4.0)), {"0.25": ((1_000_000, 2.0),)})
    lines = drawn(learning_figure(curve).axes[0])
    assert lines["training, last 100 games"] == [[0.5, 3.0], [1.0, 4.0]]
    assert lines["evaluated at λ 0.25"] == [[1.0, 2.0]]
