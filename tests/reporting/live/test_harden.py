"""A hardening as it goes, where nobody watches a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from sap_rl.reporting.live.harden import HardenBar
from sap_rl.training.events import Evaluated, HardenPlanned, HardenStarted
from tests.reporting.made import evaluation


def test_lines_say_what_is_left() -> None:
    """100 updates in 2 minutes, 400 more at that pace: 8 minutes."""
    row = replace(evaluation().rows[0], mean=12.0, lam=1.0)
    screen = Console(file=io.StringIO(), force_terminal=False, width=120)
    started = HardenStarted(
        0, 0, 0.0, restart="", due=True, game="BankHeist", precision="float32", threads=1,
        total_updates=0, minutes=15.0, agent="BankHeist", lam=1.0,
    )  # fmt: skip
    with HardenBar(screen) as bar:
        bar(started)
        bar(Evaluated(0, 0, 9.0, row))
        bar(HardenPlanned(3000, 100, 120.0, 500))
        bar(Evaluated(3000, 300, 600.0, row))
        bar(Evaluated(3000, 500, 720.0, row))
    assert screen.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "BankHeist of BankHeist, hardening at lambda 1: about 15 minutes, float32, 1 thread(s)",
        "0 updates: return 12.0 at lambda 1",
        "500 updates, as the minutes allow, about 8 minute(s) left",
        "300 updates: return 12.0 at lambda 1, about 7 minute(s) left",
        "500 updates: return 12.0 at lambda 1",
    ]
