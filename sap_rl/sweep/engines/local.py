"""Cells in processes of this machine: spawned, a thread each, writing to the one store."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from sap_rl.errors import UsageError
from sap_rl.store.records import CellRecord
from sap_rl.store.store import Store
from sap_rl.sweep.engines import CellBegan, CellDone, Draw, EngineEvent, Tries
from sap_rl.sweep.experiments import CellTask
from sap_rl.sweep.worker import CellPlayer, CellProgress

THREADS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
"""Environment of each worker, set before its torch is loaded: each worker has one core."""


@dataclass(frozen=True)
class _Refused:
    """What a worker sends when it cannot go on."""

    message: str
    usage: bool


@dataclass
class _Worker:
    """One process, the pipe to it, and what it plays."""

    process: BaseProcess
    pipe: Connection
    task: CellTask | None = None


class LocalEngine:
    """Plays cells in processes of this machine.

    workers: how many processes; store: the file that all of them write to.
    """

    def __init__(self, store: Path, workers: int) -> None:
        self.store, self.workers = store, workers

    def run(self, draw: Draw) -> Iterator[EngineEvent]:
        """See `Engine`."""
        workers: list[_Worker] = []
        tries = Tries()
        again: list[CellTask] = []
        try:
            while True:
                yield from self._hand_out(workers, draw, tries, again)
                busy = [worker for worker in workers if worker.task is not None]
                if not busy:
                    return
                for pipe in wait([worker.pipe for worker in busy]):
                    worker = next(w for w in busy if w.pipe is pipe)
                    yield from self._hear(worker, workers, tries, again)
        finally:
            for worker in workers:
                worker.process.kill()  # what it has played is kept as it goes
            for worker in workers:
                worker.process.join()
                worker.pipe.close()

    def _hand_out(
        self, workers: list[_Worker], draw: Draw, tries: Tries, again: list[CellTask]
    ) -> Iterator[EngineEvent]:
        """Give every idle worker a cell; workers are made when there is something for them.

        One that died while it was idle is replaced, which is no fault of the cell; one that dies
        as soon as it is made counts as a try of the cell, lest they be made for ever.
        """
        while True:
            idle = next((worker for worker in workers if worker.task is None), None)
            if idle is None and len(workers) >= self.workers:
                return
            task = again.pop() if again else draw()
            if task is None:
                return
            made = idle is None
            if idle is None:
                workers.append(idle := self._hire())
            try:
                idle.pipe.send(task)
            except OSError:
                again.append(task)
                status = _dismiss(idle, workers)
                if made:
                    yield tries.lost(task, status)
                continue
            idle.task = task
            yield CellBegan(task)

    def _hear(
        self, worker: _Worker, workers: list[_Worker], tries: Tries, again: list[CellTask]
    ) -> Iterator[EngineEvent]:
        assert worker.task is not None
        try:
            event = worker.pipe.recv()
        except (EOFError, OSError):
            again.append(worker.task)
            yield tries.lost(worker.task, _dismiss(worker, workers))
            return
        if isinstance(event, _Refused):
            raise UsageError(event.message) if event.usage else RuntimeError(event.message)
        if isinstance(event, CellRecord):
            task, worker.task = worker.task, None
            yield CellDone(task, event)
        elif isinstance(event, CellProgress):
            yield event

    def _hire(self) -> _Worker:
        spawn = multiprocessing.get_context("spawn")
        mine, theirs = spawn.Pipe()
        before = {name: os.environ.get(name) for name in THREADS}
        os.environ.update(THREADS)
        try:
            process = spawn.Process(target=_work, args=(theirs, self.store), daemon=True)
            process.start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        theirs.close()  # so that its end is heard here
        return _Worker(process, mine)


def _dismiss(worker: _Worker, workers: list[_Worker]) -> str:
    """Remove a worker that died from the list; returns what it died of."""
    workers.remove(worker)
    worker.process.join()
    worker.pipe.close()
    return f"exit status {worker.process.exitcode}"


def _work(pipe: Connection, path: Path) -> None:
    """What a worker does: play cells from the pipe until its other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who hands out cells
    torch.set_num_threads(1)
    player = CellPlayer()
    try:
        with Store(path, make=False) as store:
            while True:
                _play(pipe, player, pipe.recv(), store)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except UsageError as error:
        _send(pipe, _Refused(str(error), usage=True))


def _play(pipe: Connection, player: CellPlayer, task: CellTask, store: Store) -> None:
    try:
        for event in player.play(task, store):
            pipe.send(event)
    except UsageError as error:
        _send(pipe, _Refused(str(error), usage=True))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception:
        _send(pipe, _Refused(traceback.format_exc(), usage=False))


def _send(pipe: Connection, message: Any) -> None:
    try:
        pipe.send(message)
    except OSError:
        return
