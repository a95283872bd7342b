"""Which actions on an audit's recorded frames no attack inside the budget can change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from sap_rl.audit.cells import AuditCell
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import Kind
from sap_rl.certification.frames import Certifier
from sap_rl.errors import UsageError
from sap_rl.pixels import to_unit
from sap_rl.play.arms import ArmName
from sap_rl.play.players import Players
from sap_rl.types import PixelArray


@dataclass(frozen=True)
class Proven:
    """On how many of so many recorded frames a player's action is certified at one lambda."""

    player: str
    lam: float
    frames: int
    certified: int


def proof_cells(
    players: Players, kinds: Mapping[ArmName, Kind], settings: AuditSettings
) -> list[AuditCell]:
    """A cell per lambda for the audited player, the first of `kinds`; none where it is random,
    draws its actions, or has a layer without a rule."""
    player = next(iter(kinds))
    agent = players.agent(player)
    if kinds[player].random or players.policy == "sample" or not settings.certified_each:
        return []
    try:
        Certifier(agent.module, agent.preprocess.shape)
    except UsageError:
        return []
    return [AuditCell("certified", player, lam=lam) for lam in settings.budgets]


def prove(players: Players, cell: AuditCell, recorded: PixelArray, count: int) -> Proven:
    """Bounds for `count` of the recorded frames [N, K, H, W], evenly among them."""
    agent = players.agent(cell.player)
    places = np.linspace(0, len(recorded) - 1, min(count, len(recorded))).astype(int)
    frames = to_unit(torch.from_numpy(recorded[places]).to(agent.device))
    certifier = Certifier(agent.module, agent.preprocess.shape)
    certified = sum(int(part.sum()) for part in certifier.shares(frames, cell.lam))
    return Proven(cell.player, cell.lam, len(places), certified)
