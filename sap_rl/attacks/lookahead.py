"""The worst action that the victim can be made to take, by what the game makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from sap_rl.attacks.factory import AttackFactory
from sap_rl.attacks.gradients import mean_values
from sap_rl.attacks.objectives import lead
from sap_rl.attacks.options import GradSamples, StepCount, require_counts
from sap_rl.attacks.pgd import Steps, pgd
from sap_rl.attacks.threat import Threat
from sap_rl.pixels import to_unit
from sap_rl.schema import Option
from sap_rl.types import Actions, QFunction, QValues, UnitFrames


@runtime_checkable
class Rewinds(Protocol):
    """A game that can go back to a moment, as `RewoundAtari`."""

    def moment(self) -> Any: ...

    def restore(self, moment: Any, /) -> None: ...

    def step(self, actions: list[int], /) -> tuple[Any, ...]: ...


@dataclass(frozen=True)
class Lookahead:
    """Tries to make the victim take other actions, and has it take the worst of those it took.

    steps: of PGD up each action's lead over all others; targets: how many actions are tried, those
    of highest clean value, None for all. emulator: of the game that is played, which stands where
    the frames show it. There the worst is the action after which least reward comes within
    `horizon` steps, the victim playing on greedily and untampered; at equal reward the one that
    leads to frames of the least value by the victim's own action values, 0 after an end. Without an
    emulator it is the action of the least clean value.
    """

    steps: int = 10
    targets: int | None = None
    horizon: int = 10
    grad_samples: int = 1
    emulator: Rewinds | None = None

    def beside(self, emulator: Rewinds) -> Lookahead:
        """The same attack, looking ahead in this emulator."""
        return replace(self, emulator=emulator)

    def __call__(
        self,
        q: QFunction,
        obs: UnitFrames,
        threat: Threat,
        /,
        *,
        generator: torch.Generator,
        label: Actions | None = None,
    ) -> UnitFrames:
        """The frames that lead to the worst action; as they are where that is the clean one."""
        values = mean_values(q, obs, samples=self.grad_samples)
        count, actions = values.shape
        tried = values.topk(min(self.targets or actions, actions), 1).indices
        every, target = obs.repeat_interleave(tried.shape[1], 0), tried.flatten()
        adv = pgd(
            q, every, threat, generator=generator, label=target, steps=Steps(self.steps),
            objective=lead, grad_samples=self.grad_samples,
        )  # fmt: skip
        led = lead(mean_values(q, adv, samples=self.grad_samples), target).view(tried.shape)
        reached = torch.zeros_like(values, dtype=torch.bool).scatter(1, tried, led > 0)
        clean = (values.argmax(1) if label is None else label)[:, None]
        worst = self._worst(q, values, reached.scatter(1, clean, True))[:, None]
        place = tried.eq(worst).int().argmax(1)
        chosen = adv.view(count, -1, *obs.shape[1:])[torch.arange(count), place]
        return torch.where(worst.eq(clean)[:, :, None, None], obs, chosen)

    def _worst(self, q: QFunction, values: QValues, reached: Tensor) -> Actions:
        """Of the reached actions [B, A] the worst."""
        if self.emulator is None:
            return values.masked_fill(~reached, torch.inf).argmin(1)
        actions = reached[0].nonzero().flatten().tolist()  # one emulator, one game
        outcomes = self._played(q, self.emulator, actions) if len(actions) > 1 else [(0.0, 0.0)]
        worst = min(range(len(actions)), key=outcomes.__getitem__)
        return torch.tensor([actions[worst]], device=values.device)

    def _played(
        self, q: QFunction, emulator: Rewinds, actions: list[int]
    ) -> list[tuple[float, float]]:
        """What comes of each first action: the reward, then the value of what is seen at last."""
        now = emulator.moment()
        moments, chosen = [now] * len(actions), list(actions)
        rewards, values = np.zeros(len(actions)), np.zeros(len(actions))
        alive = list(range(len(actions)))
        for _ in range(self.horizon):
            shown = {}
            for i in alive:
                emulator.restore(moments[i])
                frames, reward, terminated, truncated, _ = emulator.step([chosen[i]])
                rewards[i] += reward[0]
                values[i] = 0.0
                if not (terminated[0] or truncated[0]):
                    shown[i], moments[i] = frames, emulator.moment()
            if not (alive := list(shown)):
                break
            seen = to_unit(torch.from_numpy(np.concatenate(list(shown.values()))))
            scores = mean_values(q, seen, samples=self.grad_samples)
            values[alive] = scores.amax(1).numpy()
            for i, action in zip(alive, scores.argmax(1).tolist(), strict=True):
                chosen[i] = action
        emulator.restore(now)
        return list(zip(rewards.tolist(), values.tolist(), strict=True))


def make_lookahead(
    *,
    steps: StepCount = 10,
    targets: Annotated[
        int | None, Option("actions tried, those of highest clean value", shown="all")
    ] = None,
    horizon: Annotated[int, Option("looked ahead in the emulator", unit="agent steps")] = 10,
    grad_samples: GradSamples = 1,
) -> Lookahead:
    """The worst action that targeted PGD can reach, by playing on in a copy of the game."""
    require_counts(steps=steps, horizon=horizon, grad_samples=grad_samples)
    if targets is not None:
        require_counts(targets=targets)
    return Lookahead(steps, targets, horizon, grad_samples)


LOOKAHEAD = AttackFactory(make_lookahead, needs="gradient", needs_emulator=True)
