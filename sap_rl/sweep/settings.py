"""Who plays the cells of a sweep; loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sap_rl.errors import UsageError
from sap_rl.schema import Option, check


@dataclass(frozen=True)
class EngineSettings:
    """Which engine plays the cells; UsageError for what only another one takes."""

    engine: Annotated[Literal["local", "ray"], Option("which plays the cells")] = "local"
    workers: Annotated[int | None, Option("cells at once", within="count", shown="a core each")] = (
        None
    )
    address: Annotated[
        str | None,
        Option("of a Ray cluster: auto for the one of this machine", shown="a new one here"),
    ] = None
    gpus: Annotated[float | None, Option("of each cell under ray, a fraction too", shown="0")] = (
        None
    )

    def __post_init__(self) -> None:
        check(self)
        for name in ("address", "gpus"):
            if self.engine != "ray" and getattr(self, name) is not None:
                raise UsageError(f"--{name} goes with --engine ray, this is --engine {self.engine}")
