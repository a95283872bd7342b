"""The severities at which half of the reward is gone, side by side."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from sap_rl.audit.profile import LAMBDA, Halved
from sap_rl.corruptions import CORRUPTIONS
from sap_rl.reporting.tables.evaluation import plain_table

NOTE = (
    "Half: of the way from clean play down to random play, between two severities that were played "
    "(linear in the logarithm); < or > where the mildest already takes it or the worst does not. "
    "A corruption asks nobody: of an adversary the worst case in lambda speaks."
)


def profile_table(found: tuple[Halved, ...], defense: str) -> RenderableType:
    """A line per corruption below the worst case in lambda; defense: the defended player's name."""
    players = [p for p in ("original", "defended") if any(one.player == p for one in found)]
    names = {"defended": defense}
    table = plain_table(
        "half is gone at", "unit", *(names.get(p, p) for p in players),
        left=("half is gone at", "unit"),
    )  # fmt: skip
    at = {(one.corruption, one.player): one for one in found}
    for name in dict.fromkeys(one.corruption for one in found):
        cells = (half_text(at.get((name, player))) for player in players)
        table.add_row(*_named(name), *cells)
    return Group(table, Text(NOTE))


def half_text(one: Halved | None) -> str:
    """The severity, or on which side of those that were played it lies."""
    if one is None:
        return "-"
    if one.where == "at":
        return f"{one.severity:.2g}"
    larger = (one.where == "never") != one.falling
    return f"{'>' if larger else '<'} {one.severity:g}"


def _named(name: str) -> tuple[str, str]:
    if name == LAMBDA:
        return "lambda, worst case", "pixel values"
    return name, CORRUPTIONS[name].severity.unit
