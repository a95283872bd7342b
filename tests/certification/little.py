"""Certifications of few games and early frames."""

from __future__ import annotations

from functools import partial

import pytest

from sap_rl.play.frames import record


def record_little(patch: pytest.MonkeyPatch, games: int) -> None:
    """Record so many games instead of 16, and every second step of them instead of every 40th."""
    for where in ("sap_rl.certification.run", "sap_rl.play.frames"):
        patch.setattr(f"{where}.GAMES", games)
    patch.setattr("sap_rl.certification.run.record", partial(record, every=2))
