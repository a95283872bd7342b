"""Cells as plain remote tasks of a Ray cluster; needs the extra `ray`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sap_rl.errors import UsageError
from sap_rl.machine import usable_cores
from sap_rl.store.records import CellRecord
from sap_rl.store.store import Store
from sap_rl.sweep.engines import CellBegan, CellDone, Draw, EngineEvent, Tries
from sap_rl.sweep.experiments import CellTask
from sap_rl.sweep.worker import CellPlayer

LOCAL_FOLDER = "sap-rl-cells"
"""A folder in each machine's temporary folder: its workers write there, a file per cell."""
KEPT_DAYS = 7.0
"""A cell's file is removed on its machine when nothing was written to it for so long; before, the
driver may still lack what is in it."""

LOST = (
    "WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "LocalRayletDiedError",
    "ObjectLostError",
)  # fmt: skip
"""Names in `ray.exceptions` that mean: a cell's worker is gone, and the cell is not to blame."""


@dataclass(frozen=True)
class RayEngine:
    """Plays cells on a cluster; every worker writes a file of its own, the driver merges.

    store: the driver's; address: of the cluster, `auto` for the one that this machine belongs to,
    None for a new one on this machine; workers: cells at once, None for as many as the cluster has
    CPUs; gpus: of each cell, a fraction too. UsageError where no machine has so many.
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
        _require_gpus(ray, self.gpus)
        lost = tuple(getattr(ray.exceptions, name) for name in LOST)
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
                    except lost as error:
                        again.append(task)
                        yield tries.lost(task, str(error).splitlines()[0])
                        continue
                    except ray.exceptions.RayTaskError as error:
                        raise _cause(error) from error
                    self.store.put(record)
                    _remove(local_folder(), task.key)  # on another machine it goes by its age
                    yield CellDone(task, record)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


def play_apart(task: CellTask) -> CellRecord:
    """A cell played into a file of its own on this machine's disk, which a second try goes on from.

    No SQLite over a network: what comes back is the cell itself. The file stays, since who asked
    may die before the cell is in the store: whoever asks again has it at once.
    """
    folder = local_folder()
    folder.mkdir(exist_ok=True)
    _remove_old(folder, task.key)
    path = folder / f"{task.key}.sqlite"
    player = CellPlayer()
    try:
        with Store(path) as store:
            events = list(player.play(task, store))
    finally:
        player.close()
    record = events[-1]
    assert isinstance(record, CellRecord)
    return record


def local_folder() -> Path:
    """Where this machine's workers write."""
    return Path(tempfile.gettempdir()) / LOCAL_FOLDER


def _remove(folder: Path, key: str) -> None:
    for rest in folder.glob(f"{key}.sqlite*"):
        rest.unlink(missing_ok=True)


def _remove_old(folder: Path, needed: str) -> None:
    """Delete the files of cells that nobody wrote to for KEPT_DAYS, but not the needed one."""
    written: dict[str, float] = {}
    for file in folder.glob("*.sqlite*"):
        key = file.name.partition(".")[0]
        try:
            written[key] = max(written.get(key, 0.0), file.stat().st_mtime)
        except FileNotFoundError:  # another worker was faster
            continue
    for key, when in written.items():
        if key != needed and time.time() - when > KEPT_DAYS * 86_400:
            _remove(folder, key)


def _require_gpus(ray: Any, gpus: float) -> None:
    """UsageError where no machine has so many GPUs: Ray would wait for them, silently, for ever."""
    if not 0 <= gpus <= 1 and not (gpus > 1 and gpus % 1 == 0):
        raise UsageError(f"gpus must lie in 0..1 or be a whole number, got {gpus:g}")
    found = [node["Resources"].get("GPU", 0.0) for node in ray.nodes() if node["Alive"]]
    if gpus > max(found, default=0.0):
        raise UsageError(
            f"--gpus asks for {gpus:g} GPU(s) for each cell, but no machine of the Ray cluster has "
            f"more than {max(found, default=0.0):g}"
        )


def _cause(error: Any) -> Exception:
    """What was raised in the worker; a UsageError stays one, in one line."""
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
