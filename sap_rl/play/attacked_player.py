"""Who plays an arm under attack, and what is measured of it on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sap_rl.agents import Agent
from sap_rl.atari.protocol import Policy
from sap_rl.attacks.adversary import Adversary, Attacked
from sap_rl.attacks.gradients import passes
from sap_rl.corruptions.sighting import Sighting
from sap_rl.networks.actors import chances, total_variation
from sap_rl.pixels import to_unit
from sap_rl.play.rollout import Decision
from sap_rl.play.sight import Sight
from sap_rl.types import ActionArray, PixelArray, Pixels, QValues

PROBE_EVERY = 8
"""Steps of a random agent between those on which its flips are measured: each costs two passes."""


class RandomPlayer:
    """Leaves every action to the epsilon stream, which must have epsilon 1."""

    def decide(self, pixels: PixelArray, first: np.ndarray, rows: np.ndarray) -> Decision:
        return Decision(np.zeros(len(pixels), dtype=np.int64))


@dataclass(frozen=True)
class Seen:
    """What a player saw at one step and what it thought of it.

    pixels [B, K, H, W]: as it received them, tampered with or not; values [B, A]: the action values
    whose greatest it chose.
    """

    pixels: Pixels
    values: QValues


@dataclass
class AttackedPlayer:
    """An agent under attack, measured as it plays.

    flip_probe: a second player of a random agent, with a stream of its own, so that measuring moves
    nothing; it looks on every PROBE_EVERY-th step. None for a deterministic agent, whose flips are
    known on every step. adversary: None for clean play; policy: of the rules, settled. seen: the
    last step's, for who films it.
    """

    agent: Agent
    flip_probe: Agent | None = None
    adversary: Adversary | Sight | None = None
    policy: Policy = "greedy"
    steps: int = field(default=0, init=False)
    seen: Seen | None = field(default=None, init=False)

    def decide(self, pixels: PixelArray, first: np.ndarray, rows: np.ndarray) -> Decision:
        clean = torch.as_tensor(pixels).to(self.agent.device)
        attacked = None
        if self.adversary is not None:
            attacked = self.adversary.perturb(clean, torch.as_tensor(first), rows.tolist())
        received = clean if attacked is None else attacked.pixels
        self.seen = Seen(received, self.agent.q_values(received))
        actions = self.seen.values.argmax(1).cpu().numpy()
        looks, self.steps = self.steps % PROBE_EVERY == 0, self.steps + 1
        look = self._look_at(clean, attacked, looks=looks)
        on_clean, before = (None, None) if attacked is None else (look.action, look.values)
        drawn = chances(self.seen.values) if self.policy == "sample" else None
        moved = None
        if drawn is not None and before is not None:
            moved = total_variation(drawn, chances(before))
        return Decision(
            actions,
            flipped=None if on_clean is None else actions != on_clean,
            self_flipped=look.self_flipped,
            chances=drawn,
            total_variation=moved,
            **({} if attacked is None else _arrays(attacked.measured)),
            **(_arrays({"idle": attacked.idle}) if attacked is not None and looks else {}),
        )

    def _look_at(
        self, clean: Tensor, attacked: Attacked | Sighting | None, *, looks: bool
    ) -> _Look:
        """What the player would do on the clean frames, as far as that is measured."""
        if self.flip_probe is None:
            return self._own_look(clean, attacked)
        if not looks:
            return _Look()
        first, second = _looks(self.flip_probe, clean, 2)
        action = first.argmax(1).cpu().numpy()
        return _Look(action, first, action != second.argmax(1).cpu().numpy())

    def _own_look(self, clean: Tensor, attacked: Attacked | Sighting | None) -> _Look:
        """A deterministic agent's, whose two looks agree."""
        never = np.zeros(len(clean), dtype=np.bool_)
        if attacked is None:
            return _Look(self_flipped=never)
        if self.policy == "greedy":
            return _Look(self._own_action(clean, attacked.label), None, never)
        values = self.agent.q_values(clean)
        return _Look(values.argmax(1).cpu().numpy(), values, never)

    def _own_action(self, clean: Tensor, label: Tensor | None) -> ActionArray:
        """A deterministic agent's action on the clean frames; the victim's label if that is it."""
        by = self.adversary
        own = isinstance(by, Adversary) and by.victim is self.agent.q_function
        if label is not None and own and by.threat.frames == "all":  # type: ignore[union-attr]
            return label.cpu().numpy()
        return self.agent.act(clean)


@dataclass(frozen=True)
class _Look:
    """What an agent does on clean frames, None where that is not measured: its greedy action [B],
    its scores [B, A], and whether a second look chose another action [B]."""

    action: ActionArray | None = None
    values: QValues | None = None
    self_flipped: np.ndarray | None = None


def _looks(agent: Agent, pixels: Tensor, count: int) -> list[QValues]:
    """The scores [B, A] of the same frames, `count` times; a random agent's looks differ."""
    samples = agent.policy_samples
    with torch.no_grad():
        folded = torch.cat(list(passes(agent.q_function, to_unit(pixels), count * samples)))
    return list(folded.view(count, samples, len(pixels), -1).mean(1))


def _arrays(measured: Mapping[str, Tensor | None]) -> dict[str, np.ndarray]:
    """What was measured, without what was not."""
    return {name: v.cpu().numpy() for name, v in measured.items() if v is not None}
