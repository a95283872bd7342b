"""Work that yields events, several at a time: a thread and a core for each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Full, Queue
from typing import Generic, TypeVar

import torch

T = TypeVar("T")

BACKLOG = 64
"""Events that may wait for a slow listener before the work does."""


@dataclass(frozen=True)
class Job(Generic[T]):
    """One piece of work.

    run: its events, given the place 0..at_once-1 where it may work alone; ready: whether what it
    needs from other jobs is there, asked whenever one ends.
    """

    run: Callable[[int], Iterator[T]]
    ready: Callable[[], bool] = lambda: True


def side_by_side(jobs: Sequence[Job[T]], at_once: int) -> Iterator[T]:
    """Run all jobs, begun in their order as far as they are ready, and yield their events.

    With at_once 1 one after the other, here. With more, in threads in which torch uses one core
    each (the caller's thread count stands again at the end): a job's results are the same whatever
    runs beside it. An error in a job is raised here; abandoning the iterator ends the threads.
    """
    if at_once == 1:
        for job in jobs:
            yield from job.run(0)
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    arm_threads = _ArmThreads[T](at_once)
    try:
        yield from arm_threads.work(list(jobs))
    finally:
        arm_threads.dismiss()
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class _Ended:
    """The last that is heard from a job."""

    place: int
    error: BaseException | None


class _ArmThreads(Generic[T]):
    """The threads and the queue through which they report."""

    def __init__(self, at_once: int) -> None:
        self.free = list(range(at_once))
        self.heard: Queue[T | _Ended] = Queue(BACKLOG)
        self.stop = threading.Event()
        self.threads: list[threading.Thread] = []

    def work(self, waiting: list[Job[T]]) -> Iterator[T]:
        running = self._begin(waiting)
        while running:
            event = self.heard.get()
            if not isinstance(event, _Ended):
                yield event
                continue
            if event.error is not None:
                raise event.error
            self.free.append(event.place)
            running += self._begin(waiting) - 1
        assert not waiting, f"{len(waiting)} job(s) wait for what none of the others gives"

    def _begin(self, waiting: list[Job[T]]) -> int:
        """Start the jobs that are ready; returns how many."""
        begun = 0
        while self.free and (job := next((job for job in waiting if job.ready()), None)):
            waiting.remove(job)
            thread = threading.Thread(target=self._run, args=(job, self.free.pop()), daemon=True)
            self.threads.append(thread)
            thread.start()
            begun += 1
        return begun

    def _run(self, job: Job[T], place: int) -> None:
        torch.set_num_threads(1)
        error = None
        try:
            for event in job.run(place):
                if not self._tell(event):
                    return
        except BaseException as raised:  # raised again where the events are heard
            error = raised
        self._tell(_Ended(place, error))

    def _tell(self, event: T | _Ended) -> bool:
        """Report, waiting for room in the queue; returns whether anybody still listens."""
        while not self.stop.is_set():
            try:
                self.heard.put(event, timeout=0.1)
            except Full:
                continue
            return True
        return False

    def dismiss(self) -> None:
        """End the threads at their next event."""
        self.stop.set()
        for thread in self.threads:
            thread.join()
