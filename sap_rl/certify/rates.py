"""Certified frames: the share of play on which no attack whatever can change the action."""

from __future__ import annotations

from typing import Any

import torch

from sap_rl.agents import Agent
from sap_rl.atari.protocol import Protocol
from sap_rl.certify.bounds import certified
from sap_rl.errors import UsageError
from sap_rl.pixels import lam_to_eps, to_unit
from sap_rl.play.frames import fitting_frames
from sap_rl.play.players import Players
from sap_rl.types import Pixels

BATCH = 64


def certification_rate(agent: Agent, pixels: Pixels, lam: float) -> float:
    """Share of frames [N, K, H, W] whose greedy action provably stays for every perturbation of at
    most `lam` pixels; UsageError for a network through which no bounds are known."""
    unit, eps = to_unit(pixels.to(agent.device)), lam_to_eps(lam)
    starts = range(0, len(unit), BATCH)
    kept = torch.cat([certified(agent.module, unit[at : at + BATCH], eps) for at in starts])
    return float(kept.float().mean())


def certification_facts(agent: Agent, game: str, lam: float, *, count: int) -> dict[str, Any]:
    """The table of an agent's card on `count` frames of its own clean play; empty where no bounds
    are known."""
    frames = torch.from_numpy(fitting_frames(Players(agent, Protocol(), 0), game, count))
    try:
        rate = certification_rate(agent, frames, lam)
    except UsageError:
        return {}
    return {"certified": {"lambda": lam, "rate": round(rate, 4), "frames": count}}
