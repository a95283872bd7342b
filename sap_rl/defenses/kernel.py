"""The samplers compiled for the CPU: a pass over the non-zero values instead of ten over all."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from os import getpid
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sap_rl.defenses import sampling
from sap_rl.machine import interrupt_later
from sap_rl.seeds import Stream

try:
    from sap_rl.defenses import loops

    AVAILABLE = True
except ImportError:  # pragma: no cover - numba is a dependency, but not for every Python
    AVAILABLE = False

VERSIONS = {"exact": "exact/2", "bernoulli": "bernoulli/2"}
"""Written into every result; the number grows when a sampler's draws change."""

WORTH_A_THREAD = 2**16
"""Values below which a second thread would cost more than it takes off."""


def serves(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether maps of that kind are pruned here; half precision is widened before."""
    return AVAILABLE and device.type == "cpu" and dtype != torch.float64


def scale(flat: Tensor, draws: int, sampler: str, stream: Stream) -> Tensor | None:
    """1 / (1 - (1 - p)^r) on the survivors and 0 elsewhere, [B, a] float32; r = draws.

    flat [B, a] float32: p = |flat| / sum |flat| per row. None if a row is not finite. The laws are
    those of `sampling.exact` and `sampling.bernoulli`, the draws are not.
    """
    return _run(flat, draws, sampler, stream, pruned=False)


def pruned(flat: Tensor, draws: int, sampler: str, stream: Stream) -> Tensor | None:
    """`flat` times its `scale`, the same bits, without another pass over memory."""
    return _run(flat, draws, sampler, stream, pruned=True)


def _run(flat: Tensor, draws: int, sampler: str, stream: Stream, *, pruned: bool) -> Tensor | None:
    _compile()
    values = flat.detach().numpy()
    out = np.empty_like(values)
    key = stream.key()
    horizon = sampling.horizon(draws) if sampler == "exact" else -1.0
    rows = len(values)
    threads = max(1, min(torch.get_num_threads(), values.size // WORTH_A_THREAD, rows))
    bounds = [rows * part // threads for part in range(threads + 1)]
    calls: list[tuple[Any, ...]] = [
        (values, out, *span, draws, horizon, key, pruned) for span in pairwise(bounds)
    ]
    others: list[Future[bool]] = [_pool(getpid()).submit(loops.rows, *call) for call in calls[1:]]
    finite = [loops.rows(*calls[0]), *(other.result() for other in others)]
    return torch.from_numpy(out) if all(finite) else None


@cache
def _compile() -> None:
    """Compile, or load what was compiled before, on the first call."""
    values = np.ones((1, 2), np.float32)
    with interrupt_later():
        try:
            loops.rows(values, values.copy(), 0, 1, 2, 0.0, np.uint64(0), True)
        except Exception:  # what was kept on disk is damaged, or the disk is full
            loops.forget()
            loops.rows(values, values.copy(), 0, 1, 2, 0.0, np.uint64(0), True)


@cache
def _pool(_process: int) -> ThreadPoolExecutor:
    """Threads of this process; a fork has none of its parent's."""
    return ThreadPoolExecutor(thread_name_prefix="sap")
