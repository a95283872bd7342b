"""A network read from a file, with what is needed to play it as it was trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from sap_rl.atari.protocol import Preprocess


@dataclass(frozen=True)
class Checkpoint:
    """What a loader returns.

    module: unit frames [B, K, H, W] -> action values [B, num_actions]; preprocess: what it sees;
    game: canonical name, None where the file does not say; sha256: of the weights file;
    facts: everything else the file states (training, measured score, licence), as read.
    """

    module: nn.Module
    num_actions: int
    preprocess: Preprocess
    name: str
    game: str | None = None
    sha256: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
