"""The engine that plays a sweep's cells, as its settings say."""

from __future__ import annotations

from sap_rl.machine import usable_cores
from sap_rl.store.store import Store
from sap_rl.sweep.engines import Engine
from sap_rl.sweep.engines.local import LocalEngine
from sap_rl.sweep.engines.ray import RayEngine
from sap_rl.sweep.settings import EngineSettings


def make_engine(settings: EngineSettings, store: Store) -> Engine:
    """The engine, for cells that go into a store."""
    if settings.engine == "local":
        return LocalEngine(store.path, workers_here(settings))
    return RayEngine(store, settings.workers, settings.address, settings.gpus or 0.0)


def workers_here(settings: EngineSettings) -> int:
    """How many cells this machine plays at once, a core each unless that is said."""
    return settings.workers or usable_cores()
