"""The adversary: an attack on a victim, the frames it tampered with, and the referee's check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sap_rl.attacks.gradients import greedy
from sap_rl.attacks.schedule import EVERY, Schedule
from sap_rl.attacks.threat import Threat, require_like
from sap_rl.attacks.timer import Timer
from sap_rl.errors import UsageError
from sap_rl.pixels import to_unit
from sap_rl.seeds import torch_stream
from sap_rl.types import Actions, Attack, Flags, PerExample, Pixels, QFunction


@dataclass(frozen=True)
class Cost:
    """What an attack asked of its victim: passes per frame.

    forward: passes, of which backward were followed by a gradient towards the frames.
    """

    forward: float = 0.0
    backward: float = 0.0


@dataclass(frozen=True)
class Attacked:
    """What one step of an adversary did.

    pixels [B, K, H, W]: what the agent receives; label [B]: the victim's greedy action on the
    frames the attacker worked on; linf [B]: distance to the clean frames in pixels, as the referee
    measured it; mean [B]: mean absolute change over all pixels; struck [B]: the schedule said
    attack; cost: passes of the victim per frame; given, found: the attacker's unit frames
    [B, k, H, W] before and after, those it may touch.
    """

    pixels: Pixels
    label: Actions
    linf: PerExample
    mean: PerExample
    victim: QFunction
    struck: Flags
    cost: Cost
    given: Float[Tensor, "B k H W"]
    found: Float[Tensor, "B k H W"]

    @property
    def idle(self) -> PerExample:
        """Share [B] of the pixels it could move both ways that the attacker left as they were, 1
        where the schedule did not strike. Computed when asked for."""
        movable = (self.given > 0) & (self.given < 1)
        still = (movable & (self.found == self.given)).flatten(1).sum(1)
        return still / movable.flatten(1).sum(1).clamp(min=1)

    @property
    def measured(self) -> dict[str, Tensor]:
        """What the referee and the adversary measured, per environment [B]."""
        cost = {"forward": self.cost.forward, "backward": self.cost.backward}
        passes = {n: torch.full_like(self.linf, c, dtype=torch.float64) for n, c in cost.items()}
        return {"linf": self.linf, "mean": self.mean, "struck": self.struck, **passes}

    @property
    def flipped(self) -> Flags:
        """Whether the victim's own greedy action on the tampered frames differs from the label.

        Costs one pass of the victim, made when asked for.
        """
        with torch.no_grad():
            now: Tensor = self.victim(to_unit(self.pixels)).argmax(1)
        return now.ne(self.label)


class Adversary:
    """Tampers with batches of frames, one call per step of the game.

    victim: the Q-function whose values the attack looks at, a callable of unit frames; a network of
    Stable-Baselines3 takes pixels, so give it as `load_agent(model).q_function`. attack: see
    `make_attack`; seed: of the attacker's own randomness; schedule: on which steps it strikes. With
    threat.frames = "newest" it remembers, per environment, the frames that it has already tampered
    with.
    """

    def __init__(
        self,
        victim: QFunction,
        attack: Attack,
        threat: Threat,
        seed: int,
        schedule: Schedule = EVERY,
    ) -> None:
        self.victim, self.attack, self.threat, self.schedule = victim, attack, threat, schedule
        self._rules = replace(
            threat
        )  # the referee's own: an attack may do to its copy what it likes
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Start the attacker's randomness again and forget every history."""
        self._seed = seed
        self._generators: dict[str, torch.Generator] = {}
        self._history: dict[int, Tensor] = {}
        self._timer = Timer(self.schedule)

    @torch.inference_mode(mode=False)  # gradients are needed whatever mode the caller is in
    def perturb(self, pixels: Pixels, first: Flags, rows: list[int] | None = None) -> Attacked:
        """Attack one observation of every environment.

        pixels [B, K, H, W], uint8 or float in 0..255; first [B]: whether an episode begins here;
        rows: which environments these are, 0..B-1 by default. Raises ThreatViolation if the attack
        left the threat model.
        """
        rows = list(range(len(pixels))) if rows is None else rows
        given = self._with_history(pixels, first, rows)
        q = _Noting(self.victim)
        obs = to_unit(given)
        adv, struck = self._strike(q, obs)
        received = self._rules.deliver(adv, obs, given)
        linf, mean = self._rules.check(received, given, pixels)
        if self._rules.frames == "newest":
            self._history.update(zip(rows, received[:, 1:].clone(), strict=True))
        cost, label = q.cost(len(obs)), q.label(obs)
        newest = slice(-1 if self._rules.frames == "newest" else 0, None)
        touched = (obs[:, newest], adv[:, newest])
        return Attacked(received, label, linf, mean, self.victim, struck, cost, *touched)

    def _strike(self, q: _Noting, obs: Tensor) -> tuple[Tensor, Flags]:
        """The tampered unit frames, and which of them the schedule chose."""
        generator = self._generator(obs.device)
        if self.schedule == EVERY:
            struck = torch.ones(len(obs), dtype=torch.bool, device=obs.device)
            return require_like(self.attack(q, obs, self.threat, generator=generator), obs), struck
        with torch.no_grad():
            struck = self._timer.strikes(q(obs), generator)
        adv = obs.clone()
        if bool(struck.any()):
            chosen = obs[struck]
            adv[struck] = require_like(
                self.attack(q, chosen, self.threat, generator=generator), chosen
            )
        return adv, struck

    def _with_history(self, pixels: Pixels, first: Flags, rows: list[int]) -> Pixels:
        """The clean stack with its older frames as they were tampered with before."""
        if self._rules.frames == "all":
            return pixels
        dtype = torch.float32 if self._rules.observation == "float" else pixels.dtype
        given = pixels.to(dtype, copy=True)
        for i, row in enumerate(rows):
            if not first[i] and row in self._history:
                given[i, :-1] = self._history[row]
        return given

    def _generator(self, device: torch.device) -> torch.Generator:
        key = str(device)
        if key not in self._generators:
            self._generators[key] = torch_stream(self._seed, "attack", device=device)
        return self._generators[key]


class _Noting:
    """A Q-function that keeps the values of its first call, which every attack makes on the frames
    it was given: the label comes from there without another pass. It also counts."""

    def __init__(self, q: QFunction) -> None:
        self.q = q
        self.first: Tensor | None = None
        self.forward_rows = self.backward_rows = 0
        own = getattr(q, "folded_passes", None)
        if callable(own):
            self.folded_passes = lambda obs, samples: self._note(own(obs, samples))

    def __call__(self, obs: Any, /) -> Any:
        values = self.q(obs)
        if values.ndim != 2 or len(values) != len(obs):
            raise UsageError(
                f"the victim must give action values [B, num_actions], got {list(values.shape)} "
                f"for {len(obs)} frames"
            )
        return self._note(values)

    def _note(self, values: Tensor) -> Tensor:
        if self.first is None:
            self.first = values.detach()
        self.forward_rows += len(values)
        # Attacks take gradients towards the frames of every pass that carries one.
        self.backward_rows += len(values) * (torch.is_grad_enabled() and values.requires_grad)
        return values

    def cost(self, rows: int) -> Cost:
        """Passes per frame until now; ask before `label`, which may look once more."""
        return Cost(self.forward_rows / rows, self.backward_rows / rows)

    def label(self, obs: Tensor) -> Actions:
        if self.first is None:
            with torch.no_grad():
                self.first = self.q(obs)
        if not bool(torch.isfinite(self.first).all()):
            raise UsageError("the victim gives action values that are not finite on these frames")
        return greedy(self.first, len(self.first) // len(obs))
