"""Numbers that change with time."""

from __future__ import annotations


def linear(start: float, end: float, over: int, now: int) -> float:
    """A straight line from `start` at 0 to `end` at `over`, and `end` from there on."""
    if now >= over:
        return end
    return start + max(now, 0) / over * (end - start)


def warmup(over: int, now: int) -> float:
    """The share of the learning rate at update `now` (from 0): 1/over, 2/over, ... 1."""
    return min((now + 1) / over, 1.0) if over else 1.0
