"""What all figures share: sizes, colours, the lambda axis; needs matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from sap_rl.extras import FIGURES, require

INK, FAINT = "#1a1a1a", "#767676"
BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00",
)  # fmt: skip
"""Okabe and Ito's colours: they keep apart for every kind of colour vision."""
ARM_COLOURS = {"original": BLUE, "defended": VERMILLION, "noise-control": GREEN, "random": FAINT}
AGENT_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE)
ARM_MARKERS = {"original": "o", "defended": "s", "noise-control": "^", "random": ""}
AGENT_MARKERS = "osD^vP"
VICTIM_LINES = {"own": "-", "original": "--", "other": ":", "headline": "--", None: "-"}

COLUMN, PAGE = 3.4, 7.0
"""Widths in inches of a column and of a page of two."""
HEIGHT = 2.3
"""Inches that a line of panels is high, without the legend."""

STYLE: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.labelspacing": 0.25,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.titlelocation": "left",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,  # an agent's name may hold a dollar
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "sap-rl",
    "savefig.dpi": 300,
}


def style() -> AbstractContextManager[None]:
    """Matplotlib's settings under which figures are made and saved."""
    require(FIGURES, "figures")
    import matplotlib

    found: AbstractContextManager[None] = matplotlib.rc_context(STYLE)  # type: ignore[arg-type]
    return found


LAMBDA_LABEL = "lambda (pixel values of 0..255)"
ROOM = 0.05
"""Share of the axis that a tick's label needs."""


class LambdaAxis:
    """Places lambdas, or other levels, on a logarithmic axis on which 0 stands apart at the left.

    label: of the axis; clean: what stands at 0.
    """

    def __init__(
        self, lams: Iterable[float], *, label: str = LAMBDA_LABEL, clean: str = "0"
    ) -> None:
        self.label, self.clean = label, clean
        self.lams = sorted({0.0, *lams})
        positive = self.lams[1:] or [1.0]
        low, high = math.log2(positive[0]), math.log2(positive[-1])
        self.gap = max(1.0, 0.14 * (high - low))
        self.first = low
        self.zero, self.end = low - self.gap, high

    def __call__(self, lam: float) -> float:
        """The position of a lambda."""
        return math.log2(lam) if lam > 0 else self.zero

    def dress(self, axes: Any) -> None:
        """Ticks at the lambdas, the break after 0, and the label."""
        axes.set_xlim(self.zero - 0.3 * self.gap, self.end + 0.3 * self.gap)
        room = ROOM * (self.end - self.zero)
        kept: list[float] = []
        for lam in self.lams:
            if not kept or self(lam) - self(kept[-1]) >= room + 0.35 * room * len(f"{lam:g}"):
                kept.append(lam)
        axes.set_xticks(
            [self(lam) for lam in kept], [f"{lam:g}" if lam else self.clean for lam in kept]
        )
        rest = [self(lam) for lam in self.lams if lam not in kept]
        axes.set_xticks(rest, minor=True)
        if self.lams[1:]:
            at = self.first - 0.5 * self.gap
            width = 0.05 * self.gap
            for shift in (-width, width):
                axes.plot(
                    [at + shift - width, at + shift + width], [-0.025, 0.025], color=INK,
                    linewidth=0.6, transform=axes.get_xaxis_transform(), clip_on=False,
                )  # fmt: skip
        axes.set_xlabel(self.label)
