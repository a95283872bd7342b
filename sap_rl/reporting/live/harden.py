"""A hardening as it goes: a live line, and TensorBoard."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from sap_rl.reporting.live.bars import LiveBar
from sap_rl.reporting.live.tensorboard import summary_writer
from sap_rl.training.events import (
    CheckpointWritten,
    Evaluated,
    Finished,
    FramesPlayed,
    HardenPlanned,
    HardenStarted,
    HardenUpdated,
    Moment,
)


class HardenBar(LiveBar):
    """Listens to a hardening: a live bar on a terminal, else a line per evaluation."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, "playing", width=1, total=None)
        self.total = 0

    def __call__(self, event: Moment) -> None:
        """Show one event."""
        self.bar.update(self.task, completed=event.updates)
        if isinstance(event, HardenStarted):
            long = f"{event.total_updates:,} updates" if event.total_updates else (
                f"about {event.minutes:g} minutes"
            )  # fmt: skip
            self.total = event.total_updates
            self.bar.update(self.task, total=event.total_updates or None)
            self._say(
                f"{event.agent} of {event.game}, hardening at lambda {event.lam:g}: {long}, "
                f"{event.precision}, {event.threads} thread(s)"
            )
        elif isinstance(event, FramesPlayed):
            if not event.updates:
                self.bar.update(self.task, description=f"{event.steps:,} frames")
        elif isinstance(event, HardenPlanned):
            self.total = event.total_updates
            self.bar.update(self.task, total=event.total_updates)
            self._say(f"{self.total:,} updates, as the minutes allow{self._left(event)}")
        elif isinstance(event, HardenUpdated):
            note = f"agrees {event.agreement_attacked:.0%} attacked  {event.rate:.0f} updates/s"
            self.bar.update(self.task, description=f"{event.updates:,} updates", note=note)
        elif isinstance(event, Evaluated):
            row = event.row
            told = f"{event.updates:,} updates: return {row.mean:.1f} at lambda {row.lam:g}"
            self._say(told + self._left(event))
        elif isinstance(event, CheckpointWritten):
            self._say(f"{event.updates:,} updates: checkpoint {event.path}")

    def _left(self, event: Moment) -> str:
        """About how long it takes yet, at the pace so far with all that was played between."""
        if not event.updates or event.updates >= self.total:
            return ""
        left = event.seconds / event.updates * (self.total - event.updates)
        return f", about {max(1, round(left / 60))} minute(s) left"


class HardenWriter:
    """Listens to a hardening; tags below `harden/`, against updates.

    `harden/loss`, `harden/agreement_attacked`, `harden/agreement_clean`, `harden/grad_norm`,
    `harden/learning_rate`, `harden/rate`, `harden/lambda_<x>/return`.
    """

    def __init__(self, folder: Path) -> None:
        self.writer = summary_writer(folder)

    def __call__(self, event: Moment) -> None:
        """Write one event."""
        if isinstance(event, HardenUpdated):
            for name in ("loss", "agreement_attacked", "agreement_clean", "grad_norm",
                         "learning_rate", "rate"):  # fmt: skip
                self.writer.add_scalar(f"harden/{name}", getattr(event, name), event.updates)
        elif isinstance(event, Evaluated):
            tag = f"harden/lambda_{event.row.lam:g}/return"
            self.writer.add_scalar(tag, event.row.mean, event.updates)
        elif isinstance(event, Finished):
            self.writer.close()
