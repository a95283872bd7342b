"""How tables say a number, an interval, a player, a gradient and flags."""

from __future__ import annotations

from collections.abc import Sequence

from sap_rl.atari.protocol import Protocol
from sap_rl.defenses.names import noise_level
from sap_rl.evaluation.results import Change, Row
from sap_rl.play.defended_name import defended_name

Cell = tuple[str, str]
"""A number and, below it, its interval; empty where there is none."""

DASH: Cell = ("-", "")

NOISE = (
    "the original with Gaussian noise on its action values that flips as many actions in clean "
    "play, attacked alike"
)
"""What the noise control is."""


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table for a document, its head first; all columns but the first are numbers."""
    head, *rest = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def number_text(value: float | None) -> str:
    """A return to one decimal, large ones to none; a dash for None."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 10_000 else f"{value:.1f}"


def percent_text(share: float | None) -> str:
    """A share in whole percent; a dash for None."""
    return "-" if share is None else f"{100 * share:.0f}%"


def interval_text(low: float | None, high: float | None) -> str:
    """An interval's bounds; a dash where there is none."""
    return "-" if low is None or high is None else f"{number_text(low)}..{number_text(high)}"


def signed_text(value: float, low: float | None, high: float | None, *, unit: str) -> str:
    """A difference with its sign and unit, and its interval in brackets where there is one."""
    interval = "" if low is None or high is None else f" [{low:+.1f}, {high:+.1f}]"
    return f"{value:+.1f}{unit}{interval}"


def rules_text(protocol: Protocol) -> str:
    """How actions were chosen: `epsilon 0.01`, and of an actor whether they were sampled."""
    policy = {"sample": ", actions sampled", "greedy": ", greedy actions"}
    return f"epsilon {protocol.epsilon:g}{policy.get(protocol.policy or '', '')}"


def change_text(change: Change) -> str:
    """A change in percent, in points of return where no percentage can be said."""
    if change.percent is not None:
        return signed_text(change.percent, change.ci_low, change.ci_high, unit="%")
    bounds = change.difference_low, change.difference_high
    return signed_text(change.difference, *bounds, unit=" points")


def player_name(row: Row) -> str:
    """How a table calls the player of a row."""
    if row.arm == "noise-control":
        return "noise control"
    return defended_name(row.defense, row.game) if row.defense else row.arm


def noise_text(rows: Sequence[Row]) -> str:
    """The standard deviation of the noise control's noise on Q; empty where it did not play."""
    control = next((row for row in rows if row.arm == "noise-control"), None)
    spelled = control.defense if control is not None else None
    return f"{noise_level(spelled):.3g}" if spelled else ""


def victim_text(victim: str | None) -> str:
    """Whose gradient the attacker uses; a dash in clean play."""
    return victim or "-"


def mean_cell(row: Row | None) -> Cell:
    """The mean return above its interval; a dash where nothing was played."""
    if row is None or row.mean is None:
        return DASH
    if row.ci_low is None or row.ci_high is None:
        return number_text(row.mean), ""
    return number_text(row.mean), f"{number_text(row.ci_low)} to {number_text(row.ci_high)}"


def percent_cell(change: Change) -> Cell:
    """A change in percent; a dash where no percentage can be said."""
    if change.percent is None:
        return DASH
    return f"{change.percent:+.1f}%", _bounds(change.ci_low, change.ci_high)


def points_cell(change: Change) -> Cell:
    """A change in points of return."""
    bounds = _bounds(change.difference_low, change.difference_high)
    return f"{change.difference:+.1f}", bounds


def paper_text(change: Change) -> str:
    """What the paper prints, where its protocol was followed."""
    return "-" if change.paper_percent is None else f"{change.paper_percent:+.1f}%"


def flags_text(flags: Sequence[str]) -> str:
    """Flags in words."""
    return "; ".join(flag.replace("_", " ") for flag in flags)


def _bounds(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:+.1f} to {high:+.1f}"
