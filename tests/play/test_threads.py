"""Jobs beside each other: all events, dependencies, errors, and an early end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from sap_rl.play.threads import BACKLOG, Job, side_by_side


def counting(name: str, count: int) -> Job[tuple[str, int]]:
    return Job(lambda _place: ((name, i) for i in range(count)))


@pytest.mark.parametrize("at_once", [1, 2, 3, 8])
def test_every_event_of_every_job_in_its_own_order(at_once: int) -> None:
    jobs = [counting(name, count) for name, count in (("a", 5), ("b", 0), ("c", 3 * BACKLOG))]
    events = list(side_by_side(jobs, at_once))
    for name, count in (("a", 5), ("b", 0), ("c", 3 * BACKLOG)):
        assert [i for who, i in events if who == name] == list(range(count))
    assert len(events) == 5 + 3 * BACKLOG


def test_jobs_really_run_beside_each_other_and_no_two_in_one_place() -> None:
    """Two jobs meet at a barrier: one after the other they would wait for ever."""
    barrier = threading.Barrier(2, timeout=10)

    def meet(place: int) -> Iterator[int]:
        barrier.wait()
        yield place

    assert sorted(side_by_side([Job(meet), Job(meet)], 2)) == [0, 1]


@pytest.mark.parametrize("at_once", [2, 3])
def test_a_job_waits_for_what_it_needs_and_others_go_before_it(at_once: int) -> None:
    done: list[str] = []

    def slow(_place: int) -> Iterator[str]:
        yield "slow"
        time.sleep(0.05)
        done.append("slow")

    def dependent(_place: int) -> Iterator[str]:
        assert done == ["slow"]
        yield "dependent"

    jobs = [Job(slow), Job(dependent, lambda: bool(done)), Job(lambda _place: iter(["other"]))]
    events = list(side_by_side(jobs, at_once))
    assert sorted(events) == ["dependent", "other", "slow"]
    assert events[-1] == "dependent"


@pytest.mark.parametrize("at_once", [1, 2])
def test_an_error_is_raised_where_the_events_are_heard(at_once: int) -> None:
    def broken(_place: int) -> Iterator[str]:
        yield "first"
        raise ArithmeticError("broken")

    events = side_by_side([Job(broken), Job(broken)], at_once)
    assert next(events) == "first"
    with pytest.raises(ArithmeticError, match="broken"):
        list(events)


def test_abandoned_jobs_end_and_the_threads_of_torch_are_given_back() -> None:
    ended: list[int] = []

    def endless(place: int) -> Iterator[int]:
        try:
            while True:
                assert torch.get_num_threads() == 1
                yield place
        finally:
            ended.append(place)

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        events = side_by_side([Job(endless), Job(endless)], 2)
        for _ in range(5 * BACKLOG):
            next(events)
        events.close()  # type: ignore[attr-defined]
        assert torch.get_num_threads() == 3
        assert sorted(ended) == [0, 1]
    finally:
        torch.set_num_threads(before)
