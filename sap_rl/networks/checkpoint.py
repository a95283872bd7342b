"""A network read from a file, with what is needed to play it as it was trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from sap_rl.atari.protocol import Preprocess
from sap_rl.networks import Scores


@dataclass(frozen=True)
class Checkpoint:
    """What a loader returns.

    module: frames as `preprocess` says -> scores [B, num_actions], for `takes_unit`;
    game: canonical name, None where the file does not say; sha256: of the weights file;
    facts: everything else the file states (training, measured score, licence), as read; kind: of
    `NETWORKS`; format: of `LOADERS`; scores: what the module gives, values or an actor's logits.
    """

    module: nn.Module
    num_actions: int
    preprocess: Preprocess
    name: str
    game: str | None = None
    sha256: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    kind: str = "nature"
    format: str | None = None
    scores: Scores = "values"
