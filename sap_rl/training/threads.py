"""Slices of a batch in threads of their own, one thread inside each torch call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


class BatchThreads:
    """`size` threads that meet once per update.

    Torch's own threads meet in every one of an update's fifty kernels; where emulators or other
    programs take a core for a moment, all of them wait each time. The sum over slices has a fixed
    order, so results depend on `size` alone, not on who finishes first.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool = ThreadPoolExecutor(
            max(size - 1, 1), initializer=torch.set_num_threads, initargs=(1,)
        )

    def run(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """`work` of each item, in order; the first in the calling thread."""
        if len(items) == 1:
            return [work(items[0])]
        others = [self._pool.submit(work, item) for item in items[1:]]
        return [work(items[0]), *(other.result() for other in others)]

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown()
