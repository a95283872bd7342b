"""What an export is asked to do; loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sap_rl.errors import require_at_least
from sap_rl.schema import Option, check


@dataclass(frozen=True)
class ExportSettings:
    """How an agent is chosen and measured; UsageError for too few games."""

    newest: Annotated[int, Option("latest checkpoints to choose among")] = 5
    choice_episodes: Annotated[int, Option("each of them plays", within="count")] = 30
    episodes: Annotated[int, Option("behind the stated score")] = 100
    attacked_episodes: Annotated[
        int, Option("of a hardened agent under each attack that its card states", hidden=True)
    ] = 30

    def __post_init__(self) -> None:
        check(self)
        require_at_least("episodes", self.episodes, 2)
        require_at_least("attacked_episodes", self.attacked_episodes, 2)
