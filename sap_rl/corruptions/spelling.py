"""Several corruptions in a word: `shift,rotate-2`."""

from __future__ import annotations

from dataclasses import dataclass

from sap_rl.corruptions import CORRUPTIONS, find_corruption


@dataclass(frozen=True)
class Worst:
    """A corruption and the worst severity of it that is drawn."""

    corruption: str
    severity: float


def read_corruptions(text: str) -> tuple[Worst, ...]:
    """The corruptions of a spelling: `shift,rotate-2`.

    A name alone means the middle severity of its audits. UsageError for an unknown corruption or a
    severity that it does not take.
    """
    return tuple(_worst(part.strip()) for part in text.split(",") if part.strip())


def _worst(part: str) -> Worst:
    if part in CORRUPTIONS:
        suite = CORRUPTIONS[part].severity.suite
        return Worst(part, suite[len(suite) // 2])
    name, _, number = part.rpartition("-")
    try:
        severity = float(number)
    except ValueError:
        severity, name = 0.0, part
    find_corruption(name).check(name, severity)
    return Worst(name, severity)
