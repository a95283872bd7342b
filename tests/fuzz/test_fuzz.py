"""Nothing that anybody hands over makes a traceback, hangs, or prints what a terminal obeys."""

from __future__ import annotations

import pytest

from tests.fuzz.kinds import KINDS
from tests.fuzz.run import fuzzed

SHORT, LONG = 12, 1000
"""Inputs of each kind."""
PATIENCE = 20.0
"""Seconds of computing for one input where every annotation is checked on the way."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inputs", [SHORT, pytest.param(LONG, marks=pytest.mark.slow)])
def test_no_traceback_and_no_hang(kind: str, inputs: int) -> None:
    found = fuzzed(kind, inputs, seed=inputs, seconds=PATIENCE)
    assert found.tried == inputs
    assert found.tracebacks == {}
    assert found.hangs == []
    assert found.refused > inputs / 2, "or what is tried is not what it should be"
