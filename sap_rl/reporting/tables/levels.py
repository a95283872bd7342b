"""How tables and figures name the level at which frames were tampered with."""

from __future__ import annotations

from sap_rl.corruptions import find_corruption
from sap_rl.evaluation.results import Evaluation
from sap_rl.evaluation.settings import Settings

LAMBDA_NOTE = "the attacker's budget, in pixel values of 0 to 255"


def level_words(settings: Settings) -> tuple[str, str]:
    """The heading of a column of levels, and what they are: `rotate (degrees)`."""
    name = settings.corruption
    if name is None:
        return "lambda", LAMBDA_NOTE
    entry = find_corruption(name)
    return f"{name} ({entry.severity.unit})", f"{entry.severity.unit} {entry.severity.help}"


def level_cell(level: float, evaluation: Evaluation) -> str:
    """A level; a dash for clean frames where a corruption's severity 0 would mean nothing."""
    spoilt = evaluation.settings.corruption is not None
    return "-" if spoilt and not level else f"{level:g}"
