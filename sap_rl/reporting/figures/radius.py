"""How far the certified lambdas of a certificate's frames reach; needs matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sap_rl.certification.frames import LARGEST
from sap_rl.certification.results import PLAYS, Certificate
from sap_rl.reporting.figures.style import AGENT_COLOURS, COLUMN, LAMBDA_LABEL, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = dict(zip(PLAYS, AGENT_COLOURS, strict=False))


def radius_figure(found: Certificate) -> Figure:
    """The share of frames whose action is certified, against lambda: a curve per kind of play."""
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(COLUMN, 0.7 * COLUMN), layout="constrained")
        axes = figure.subplots()
        for play, radii in found.radius.items():
            lams = np.sort(radii)
            kept = 1 - np.arange(len(lams)) / len(lams)
            label = f"{play} play, {len(lams)} frames"
            color = COLOURS[play]  # type: ignore[index]
            axes.step([0, *lams, LARGEST], [1, *kept, 0], where="pre", label=label, color=color)
        furthest = max(max(radii) for radii in found.radius.values())
        axes.set_xlim(0, min(LARGEST, max(0.1, 1.1 * furthest)))
        axes.set_ylim(0, 1)
        axes.set_xlabel(LAMBDA_LABEL)
        axes.set_ylabel("certified actions")
        axes.set_title(f"{found.agent.name} in {found.settings.game}")
        axes.legend()
        return figure
