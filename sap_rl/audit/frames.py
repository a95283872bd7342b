"""Stage 1 of an audit: what each attack does to recorded frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sap_rl.audit.recorded import BATCH, CleanFrames, action_values, draw_seed
from sap_rl.audit.suite import Entry
from sap_rl.play.arms import Arm
from sap_rl.play.players import Players


@dataclass(frozen=True)
class FrameResult:
    """One attack on one player's frames at one lambda.

    flip_rate, self_flip_rate: shares of fresh single draws whose action is not the clean mean's,
    on tampered and on clean frames; kept: share of frames on which the mean's action stays;
    margin_lost [N]: clean minus tampered margin of the mean values between the clean action and
    the best other; value_lost [N]: what the chosen actions are worth less, by the original's
    clean values; first, again: whether two fresh draws left the clean action; idle: share of
    movable pixels left alone; forward, backward: passes per frame.
    """

    player: str
    title: str
    lam: float
    flip_rate: float
    self_flip_rate: float
    kept: float
    margin_lost: tuple[float, ...]
    value_lost: tuple[float, ...]
    first: tuple[bool, ...]
    again: tuple[bool, ...]
    idle: float
    forward: float
    backward: float

    @property
    def mean_margin_lost(self) -> float:
        """The mean of `margin_lost` over frames, in units of Q."""
        return float(np.mean(self.margin_lost))

    @property
    def mean_value_lost(self) -> float:
        """The mean of `value_lost` over frames, in units of Q."""
        return float(np.mean(self.value_lost))


def measure(players: Players, shown: CleanFrames, entry: Entry, lam: float) -> FrameResult:
    """Attack recorded frames and judge the outcome on fresh draws.

    A search without gradients asks a copy of the player with other draws.
    """
    player, pixels, label, clean = shown.player, shown.pixels, shown.label, shown.clean
    own = players.agent(player)
    adversary = entry.at_work(players).adversary(Arm(player, lam, entry.victim))
    tampered, idle, cost = [], [], []
    for start in range(0, len(pixels), BATCH):
        batch = torch.from_numpy(pixels[start : start + BATCH]).to(own.device)
        attacked = adversary.perturb(batch, torch.ones(len(batch), dtype=torch.bool))
        tampered.append(attacked.pixels.cpu())
        idle += attacked.idle.tolist()
        cost.append((attacked.cost.forward, attacked.cost.backward))
    fresh = own.reseeded(draw_seed(players, "fresh", player))
    after = action_values(fresh, torch.cat(tampered), len(clean))
    clean_mean, after_mean = clean.mean(0), after.mean(0)
    left, before = after.argmax(2) != label, _worth(shown.worth, clean.argmax(2))
    forward, backward = np.mean(cost, axis=0).tolist()
    return FrameResult(
        player=player,
        title=entry.title,
        lam=lam,
        flip_rate=float(left.mean()),
        self_flip_rate=float((clean.argmax(2) != label).mean()),
        kept=float((after_mean.argmax(1) == label).mean()),
        margin_lost=_rounded(_margin(clean_mean, label) - _margin(after_mean, label)),
        value_lost=_rounded(before - _worth(shown.worth, after.argmax(2))),
        first=tuple(left[0].tolist()),
        again=tuple(left[-1].tolist()),
        idle=float(np.mean(idle)),
        forward=forward,
        backward=backward,
    )


def _rounded(lost: np.ndarray) -> tuple[float, ...]:
    return tuple(round(value, 7) for value in lost.tolist())


def _margin(values: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The label's value above the best other's [N]."""
    rows = np.arange(len(values))
    others = values.copy()
    others[rows, label] = -np.inf
    margin: np.ndarray = values[rows, label] - others.max(1)
    return margin.astype(np.float64)


def _worth(values: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Mean over draws of the clean values [N, A] of the chosen actions [draws, N] -> [N]."""
    chosen = np.take_along_axis(values[None], actions[..., None], axis=2)[..., 0]
    mean: np.ndarray = chosen.astype(np.float64).mean(0)
    return mean
