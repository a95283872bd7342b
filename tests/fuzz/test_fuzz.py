"""Nothing that anybody hands over makes a traceback, hangs, or prints what a terminal obeys."""

from __future__ import annotations

import pytest

from tests.fuzz.kinds import KINDS
from tests.fuzz.run import fuzzed

SHORT, LONG = 12, 1000
"""Inputs of each kind."""
DRAWN = ("pages and plots",)
"""Kinds that are mostly read and drawn, which takes longer: a third as many."""
PATIENCE = 20.0
"""Seconds of computing for one input where every annotation is checked on the way."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inputs", [SHORT, pytest.param(LONG, marks=pytest.mark.slow)])
def test_no_traceback_and_no_hang(kind: str, inputs: int) -> None:
    inputs = inputs // 3 if kind in DRAWN else inputs
    found = fuzzed(kind, inputs, seed=inputs, seconds=PATIENCE)
    assert found.tried == inputs
    assert found.tracebacks == {}
    assert found.hangs == []
    mostly = inputs - found.refused if kind in DRAWN else found.refused
    assert mostly >= inputs / 2, "or what is tried is not what it should be"
