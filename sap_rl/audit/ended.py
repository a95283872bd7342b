"""What is told when a cell of an audit is done."""

from __future__ import annotations

from dataclasses import dataclass

from sap_rl.audit.cells import AuditCell
from sap_rl.audit.frames import FrameResult
from sap_rl.audit.proof import Proven
from sap_rl.evaluation.results import Row

OnFrames = FrameResult | Proven | float
"""What a cell found on recorded frames; of the noise control's cell its sigma."""
Found = OnFrames | Row


@dataclass(frozen=True)
class CellEnded:
    """One cell is done: its name, its number, and what it found.

    seconds: None where it was found in the folder.
    """

    name: str
    number: int
    text: str
    seconds: float | None


def cell_ended(cell: AuditCell, found: Found, number: int, seconds: float | None) -> CellEnded:
    """The event of a cell that found this, the `number`th that is known."""
    match found:
        case FrameResult():
            text = f"flips {found.flip_rate:.0%}, margin lost {found.mean_margin_lost:.4f}"
        case Proven():
            text = f"{found.certified} of {found.frames} actions"
        case Row():
            text = f"return {found.mean:.1f}"
        case sigma:
            text = f"sigma {sigma:.4g}"
    return CellEnded(cell.name, number, text, seconds)
