"""Cells as plain remote tasks of a Ray cluster; needs the extra `ray`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sap_rl.errors import UsageError
from sap_rl.evaluation.cell_play import CellPlayer
from sap_rl.evaluation.engines import CellBegan, CellDone, Draw, EngineEvent, Tries
from sap_rl.evaluation.experiments import CellTask
from sap_rl.evaluation.store import Store
from sap_rl.evaluation.store_records import CellRecord
from sap_rl.machine import usable_cores

LOCAL_FOLDER = "sap-rl-cells"
"""In each machine's own temporary folder: where its workers write, a file per cell."""


@dataclass(frozen=True)
class RayEngine:
    """Plays cells on a cluster; every worker writes a file of its own, the driver merges.

    store: the driver's; address: of the cluster, `auto` for the one that this machine belongs to,
    None for a new one on this machine; workers: cells at once, None for as many as the cluster has
    CPUs; gpus: of each cell, a fraction too.
    """

    store: Store
    workers: int | None = None
    address: str | None = None
    gpus: float = 0.0

    def run(self, draw: Draw) -> Iterator[EngineEvent]:
        """See `Engine`."""
        ray = _ray()
        here = not ray.is_initialized()
        if here:
            _connect(ray, self.address, self.workers)
        try:
            yield from self._play(ray, draw)
        finally:
            if here:
                ray.shutdown()

    def _play(self, ray: Any, draw: Draw) -> Iterator[EngineEvent]:
        # A worker that dies is told here, and its cell handed out again: Ray need not.
        remote = ray.remote(num_cpus=1, num_gpus=self.gpus, max_retries=0)(play_apart)
        running: dict[Any, CellTask] = {}
        again: list[CellTask] = []
        tries = Tries()
        workers = self.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        try:
            while True:
                while len(running) < workers:
                    task = again.pop() if again else draw()
                    if task is None:
                        break
                    running[remote.remote(task)] = task
                    yield CellBegan(task)
                if not running:
                    return
                for reference in ray.wait(list(running), num_returns=1)[0]:
                    task = running.pop(reference)
                    try:
                        record = ray.get(reference)
                    except ray.exceptions.WorkerCrashedError as error:
                        again.append(task)
                        yield tries.lost(task, str(error).splitlines()[0])
                        continue
                    except ray.exceptions.RayTaskError as error:
                        raise _cause(error) from error
                    self.store.put(record)
                    yield CellDone(task, record)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


def play_apart(task: CellTask) -> CellRecord:
    """A cell played into a file of its own on this machine's disk, which a second try goes on from.

    No SQLite over a network: what comes back is the cell itself.
    """
    folder = Path(tempfile.gettempdir()) / LOCAL_FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / f"{task.key}.sqlite"
    player = CellPlayer()
    try:
        with Store(path) as store:
            events = list(player.play(task, store))
    finally:
        player.close()
    record = events[-1]
    assert isinstance(record, CellRecord)
    for rest in folder.glob(f"{task.key}.sqlite*"):
        rest.unlink(missing_ok=True)
    return record


def _cause(error: Any) -> Exception:
    """What was raised over there, in one line where it was the user's business."""
    cause = getattr(error, "cause", None)
    return UsageError(str(cause)) if isinstance(cause, UsageError) else RuntimeError(str(error))


def _connect(ray: Any, address: str | None, workers: int | None) -> None:
    cpus = workers or usable_cores()
    options: dict[str, Any] = {"address": address} if address else {"num_cpus": cpus}
    environment = {"env_vars": {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}}
    try:
        ray.init(
            **options, include_dashboard=False, log_to_driver=False, runtime_env=environment,
            logging_level="ERROR",
        )  # fmt: skip
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"no Ray cluster at address '{address}': {reason:.200}") from error


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UsageError("--engine ray needs: pip install 'sap-rl[ray]'") from error
    return ray
