"""What each corruption leaves, original and defended side by side; needs matplotlib."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sap_rl.audit.card import AuditCard
from sap_rl.audit.profile import LAMBDA, Halved
from sap_rl.corruptions import CORRUPTIONS
from sap_rl.reporting.figures.layout import add_legend
from sap_rl.reporting.figures.style import ARM_COLOURS, ARM_MARKERS, FAINT, PAGE, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 4
PANEL_HEIGHT = 1.5
"""Inches that a line of panels is high."""


def profile_figure(card: AuditCard) -> Figure:
    """Mean return against severity, a panel per corruption and one for the worst case over attacks;
    mild ones at the left, dotted where half of the way to random play is gone."""
    with style():
        from matplotlib.figure import Figure

        names = list(dict.fromkeys(one.corruption for one in card.profile))
        lines = math.ceil(len(names) / COLUMNS)
        figure = Figure(layout="constrained")
        axes = list(figure.subplots(lines, COLUMNS, squeeze=False, sharey=True).flat)
        for place, name in zip(axes, names, strict=False):
            _draw(place, [one for one in card.profile if one.corruption == name], card)
        for place in axes[len(names) :]:
            place.remove()
        rows = add_legend(figure, PAGE)
        figure.set_size_inches(PAGE, PANEL_HEIGHT * lines + rows)
        return figure


def _draw(axes: Any, curves: list[Halved], card: AuditCard) -> None:
    """One panel: the severities that were played at equal distances."""
    name = curves[0].corruption
    longest = max((one.points for one in curves), key=len)
    places = {severity: place for place, (severity, _) in enumerate(longest)}
    for one in curves:
        label = {"defended": card.facts.defense}.get(one.player, one.player)
        x, means = [places[s] for s, _ in one.points], [mean for _, mean in one.points]
        look = {"color": ARM_COLOURS[one.player], "marker": ARM_MARKERS[one.player]}
        axes.plot(x, means, label=label, **look)
        axes.axhline(card.half(one.player), linestyle=":", color=look["color"], linewidth=0.7)
    axes.set_xticks(list(places.values()), [f"{severity:g}" for severity in places])
    unit = "pixel values" if name == LAMBDA else CORRUPTIONS[name].severity.unit
    axes.set_title(f"{name} ({unit})")
    axes.axhline(card.clean.get("random", 0.0), color=FAINT, linewidth=0.5)
