"""Stage 1 of an audit: what each attack does to recorded frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from sap_rl.agents import Agent
from sap_rl.attacks.gradients import passes
from sap_rl.audit.suite import Entry
from sap_rl.pixels import to_unit
from sap_rl.play.arms import Arm, ArmName
from sap_rl.play.players import Players
from sap_rl.seeds import stream_seed
from sap_rl.types import PixelArray

BATCH = 64
"""Frames attacked at once."""
DRAWS = 8
"""Fresh passes of a random player on which the outcome is judged; none is the attacker's."""


@dataclass(frozen=True)
class Look:
    """What a player does on frames: `actions` [draws, N], and the mean `values` [N, A]."""

    actions: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Exam:
    """Recorded frames uint8 [N, K, H, W] and what is known of them without an attack.

    label [N]: the action of the player's mean values; clean: another look at the same frames, for
    by the draws that chose the label its margin would seem too large; worth [N, A]: the original's
    action values.
    """

    player: ArmName
    pixels: PixelArray
    label: np.ndarray
    clean: Look
    worth: np.ndarray


def examine(players: Players, player: ArmName, pixels: PixelArray) -> Exam:
    """Look at recorded frames with the player and with the original."""
    shown, draws = torch.from_numpy(pixels), DRAWS if players.random(player) else 1
    looks = [
        look(players.agent(player).reseeded(_seed(players, purpose, player)), shown, draws)
        for purpose in ("label", "clean")
    ]
    label = looks[0].values.argmax(1)
    return Exam(player, pixels, label, looks[1], look(players.original, shown, 1).values)


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

    def rounded(self) -> FrameResult:
        """The result with its arrays rounded to 7 digits, as cells keep it."""
        margin, value = (
            tuple(round(lost, 7) for lost in array) for array in (self.margin_lost, self.value_lost)
        )
        return replace(self, margin_lost=margin, value_lost=value)


def players_for(players: Players, entry: Entry) -> Players:
    """The same agents under the entry's attack."""
    protocol = replace(players.protocol, grad_samples=entry.samples)
    return replace(
        players,
        protocol=protocol,
        attack=entry.attack,
        options=entry.attack_options,
        backward=entry.backward,
    )


def measure(players: Players, exam: Exam, entry: Entry, lam: float) -> FrameResult:
    """Attack recorded frames and judge the outcome on fresh draws.

    A search without gradients asks a copy of the player with other draws.
    """
    player, pixels, label, clean = exam.player, exam.pixels, exam.label, exam.clean
    own = players.agent(player)
    arm = Arm(player, lam, entry.victim)
    adversary = players_for(players, entry).adversary(arm)
    tampered, idle, cost = [], [], []
    for start in range(0, len(pixels), BATCH):
        batch = torch.from_numpy(pixels[start : start + BATCH]).to(own.device)
        attacked = adversary.perturb(batch, torch.ones(len(batch), dtype=torch.bool))
        tampered.append(attacked.pixels.cpu())
        idle += attacked.idle.tolist()
        cost.append((attacked.cost.forward, attacked.cost.backward))
    fresh = own.reseeded(_seed(players, "fresh", player))
    after = look(fresh, torch.cat(tampered), len(clean.actions))
    left, before = after.actions != label, _worth(exam.worth, clean.actions)
    forward, backward = np.mean(cost, axis=0).tolist()
    return FrameResult(
        player=player,
        title=entry.title,
        lam=lam,
        flip_rate=float(left.mean()),
        self_flip_rate=float((clean.actions != label).mean()),
        kept=float((after.values.argmax(1) == label).mean()),
        margin_lost=tuple((_margin(clean.values, label) - _margin(after.values, label)).tolist()),
        value_lost=tuple((before - _worth(exam.worth, after.actions)).tolist()),
        first=tuple(left[0].tolist()),
        again=tuple(left[-1].tolist()),
        idle=float(np.mean(idle)),
        forward=forward,
        backward=backward,
    )


def look(agent: Agent, pixels: torch.Tensor, draws: int) -> Look:
    """`draws` passes of an agent over frames [N, K, H, W]."""
    found = []
    with torch.no_grad():
        for start in range(0, len(pixels), BATCH):
            obs = to_unit(pixels[start : start + BATCH].to(agent.device))
            folded = torch.cat(list(passes(agent.q_function, obs, draws)))
            found.append(folded.view(draws, len(obs), -1).float().cpu().numpy())
    values = np.concatenate(found, axis=1)
    return Look(values.argmax(2), values.mean(0))


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


def _seed(players: Players, purpose: str, player: str) -> int:
    return stream_seed(players.seed, "audit", purpose, player)
