"""Figures of an evaluation; needs the extra `tensorboard`, which brings matplotlib."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Evaluation, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def return_lambda_figure(evaluation: Evaluation) -> Figure:
    """Mean return with its interval against lambda, one line per player and gradient."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("figures need matplotlib: pip install 'sap-rl[tensorboard]'") from error
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    rows = [row for row in evaluation.rows if row.mean is not None]
    clean = {row.arm: row for row in rows if row.lam == 0}
    attacked = sorted((row for row in rows if row.victim), key=lambda row: (_label(row), row.lam))
    for label, group in groupby(attacked, key=_label):
        line = list(group)
        if line[0].arm in clean:
            line.insert(0, clean[line[0].arm])
        mean = [row.mean or 0.0 for row in line]
        low = [
            m - (m if row.ci_low is None else row.ci_low) for m, row in zip(mean, line, strict=True)
        ]
        high = [
            (m if row.ci_high is None else row.ci_high) - m
            for m, row in zip(mean, line, strict=True)
        ]
        axes.errorbar(
            [r.lam for r in line], mean, yerr=[low, high], capsize=3, marker="o", label=label
        )
    if "random" in clean and clean["random"].mean is not None:
        axes.axhline(clean["random"].mean, linestyle=":", color="0.4", label="random policy")
    axes.set_xlabel("lambda (pixels)")
    axes.set_ylabel("return")
    axes.set_title(f"{evaluation.config['game']}, {evaluation.config['attack']}")
    axes.legend(frameon=False, fontsize="small")
    return figure


def _label(row: Row) -> str:
    gradient = "own" if row.victim == "self" else "original's"
    return f"{row.defense or row.arm}, {gradient} gradient"
