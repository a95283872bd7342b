"""Which actions on an audit's recorded frames no attack inside the budget can change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from sap_rl.audit.cells import AuditCell
from sap_rl.audit.frames import FrameResult
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
    places = evenly(len(recorded), count)
    frames = to_unit(torch.from_numpy(recorded[places]).to(agent.device))
    certifier = Certifier(agent.module, agent.preprocess.shape)
    certified = sum(int(part.sum()) for part in certifier.shares(frames, cell.lam))
    return Proven(cell.player, cell.lam, len(places), certified)


def evenly(frames: int, count: int) -> npt.NDArray[np.int_]:
    """Places of `count` of so many recorded frames, the first and the last among them."""
    return np.linspace(0, frames - 1, min(count, frames)).astype(int)


def broken_there(proven: Proven, results: Iterable[FrameResult]) -> float:
    """The share of the frames of a proof on which some attack left the player's clean action."""
    there = [np.array(r.first) for r in results if (r.player, r.lam) == (proven.player, proven.lam)]
    if not there:
        return 0.0
    return float(np.any(there, axis=0)[evenly(len(there[0]), proven.frames)].mean())
