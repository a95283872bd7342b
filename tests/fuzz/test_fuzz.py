"""Nothing that anybody hands over makes a traceback, hangs, or prints what a terminal obeys."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.kinds import KINDS
from tests.fuzz.run import fuzzed
from tests.fuzz.tries import tried

SHORT, LONG = 12, 1000
"""Inputs of each kind."""
PATIENCE = 20.0
"""Seconds of computing where every annotation is checked on the way."""


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=SHORT, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(data=st.data())
def test_short(kind: str, data: st.DataObject) -> None:
    tried(data.draw(KINDS[kind]()), PATIENCE)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_long(kind: str) -> None:
    found = fuzzed(kind, LONG, seed=1)
    assert found.tried == LONG
    assert found.tracebacks == {}
    assert found.hangs == []
