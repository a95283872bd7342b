"""The arms of an evaluation: who plays, who attacks, and the controls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from sap_rl.agents import Agent
from sap_rl.atari.pixels import to_unit
from sap_rl.atari.protocol import Protocol
from sap_rl.attacks import attack_options, make_attack
from sap_rl.attacks.adversary import Adversary
from sap_rl.attacks.gradients import default_grad_samples, is_random, repeat_rows
from sap_rl.attacks.threat import Threat
from sap_rl.evaluation.rollout import Decision
from sap_rl.seeds import numpy_stream, stream_seed
from sap_rl.types import PixelArray

ArmName = Literal["original", "defended", "random", "matched"]
Victim = Literal["self", "original"]


@dataclass(frozen=True)
class Arm:
    """One cell of an evaluation: who plays, under which lambda, whose gradient the attacker uses.

    victim is None where nobody attacks.
    """

    name: ArmName
    lam: float = 0.0
    victim: Victim | None = None

    @property
    def title(self) -> str:
        """Unique among the arms of one lambda: `defended-self`."""
        return self.name if self.victim is None or self.name == "original" else (
            f"{self.name}-{self.victim}"
        )  # fmt: skip


def plan(
    lams: tuple[float, ...], *, defended: bool, victims: tuple[Victim, ...], controls: bool
) -> list[Arm]:
    """All arms in playing order: clean ones first, then each lambda."""
    names: list[ArmName] = ["random"] if controls else []
    names += ["original", *(["defended"] if defended else [])]  # type: ignore[list-item]
    names += ["matched"] if defended and controls else []
    arms = [Arm(name) for name in names]
    for lam in sorted(lam for lam in lams if lam > 0):
        arms.append(Arm("original", lam, "self"))
        for name in names:
            if name in ("defended", "matched"):
                arms += [Arm(name, lam, victim) for victim in victims]
    return arms


class RandomPlayer:
    """Leaves every action to the epsilon stream, which must have epsilon 1."""

    def decide(self, pixels: PixelArray, first: np.ndarray, rows: np.ndarray) -> Decision:
        return Decision(np.zeros(len(pixels), dtype=np.int64))


@dataclass
class Contestant:
    """An agent under attack, measured as it plays.

    meter: a second player of a random agent, with a stream of its own, so that measuring moves
    nothing; None for a deterministic agent. adversary: None for clean play.
    """

    agent: Agent
    meter: Agent | None = None
    adversary: Adversary | None = None

    def decide(self, pixels: PixelArray, first: np.ndarray, rows: np.ndarray) -> Decision:
        clean = torch.as_tensor(pixels).to(self.agent.device)
        if self.adversary is None:
            actions = self.agent.act(clean)
            return Decision(actions, self_flipped=self._self_flips(clean)[1])
        attacked = self.adversary.perturb(clean, torch.as_tensor(first), rows.tolist())
        actions = self.agent.act(attacked.pixels)
        on_clean, self_flipped = self._self_flips(clean, known=self._label(attacked.label))
        return Decision(
            actions,
            flipped=actions != on_clean,
            self_flipped=self_flipped,
            linf=attacked.linf.cpu().numpy(),
            mean=attacked.mean.cpu().numpy(),
        )

    def _label(self, label: Tensor) -> np.ndarray | None:
        """The victim's label where it is this agent's own action on the clean frame."""
        assert self.adversary is not None
        own = self.adversary.victim is self.agent.q_function
        whole = self.adversary.threat.frames == "all"
        return label.cpu().numpy() if own and whole and self.meter is None else None

    def _self_flips(
        self, clean: Tensor, known: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The action on the clean frames, and whether a second look chose another."""
        if self.meter is None:
            no_flips = np.zeros(len(clean), dtype=np.bool_)
            if known is None and self.adversary is not None:
                known = self.agent.act(clean)
            return (no_flips if known is None else known), no_flips
        twice = self.meter.act(repeat_rows(clean, 2)).reshape(2, -1)
        return twice[0], twice[0] != twice[1]


@dataclass
class Cast:
    """The agents of one evaluation, and contestants made from them for each arm."""

    original: Agent
    protocol: Protocol
    seed: int
    attack: str = "fgsm"
    options: dict[str, Any] = field(default_factory=dict)
    defended: Agent | None = None
    matched: Agent | None = None

    def agent(self, name: ArmName) -> Agent:
        """The agent that plays in the arms of that name."""
        agent = {"original": self.original, "defended": self.defended, "matched": self.matched}
        found = agent.get(name)
        assert found is not None, f"no agent plays in arm {name}"
        return found

    def random(self, name: ArmName) -> bool:
        """Whether two passes of that arm's agent differ."""
        return is_random(self.agent(name).q_function, self._look())

    def victim(self, arm: Arm) -> Agent:
        """Whose gradient the attacker uses; never moves a player's stream."""
        source = self.agent(arm.name if arm.victim == "self" else "original")
        return source.reseeded(stream_seed(self.seed, "victim", arm.name))

    def grad_samples(self, arm: Arm) -> int:
        """Passes averaged per gradient in this arm; 1 for attacks without a gradient."""
        if "grad_samples" not in attack_options(self.attack):
            return 1
        if self.protocol.grad_samples is not None:
            return self.protocol.grad_samples
        return default_grad_samples(self.victim(arm).q_function, self._look())

    def contestant(self, arm: Arm) -> Contestant:
        """Who plays this arm, with fresh streams that depend on the arm's name alone."""
        agent = self.agent(arm.name)
        player = agent.reseeded(stream_seed(self.seed, "policy", arm.name))
        meter = None
        if self.random(arm.name):
            meter = agent.reseeded(stream_seed(self.seed, "meter", arm.name))
        adversary = self._adversary(arm) if arm.victim is not None else None
        return Contestant(player, meter, adversary)

    def _adversary(self, arm: Arm) -> Adversary:
        options = dict(self.options)
        if "grad_samples" in attack_options(self.attack):
            options["grad_samples"] = self.grad_samples(arm)
        threat = Threat(arm.lam, self.protocol.frames, self.protocol.observation)
        attack = make_attack(self.attack, **options)
        seed = stream_seed(self.seed, "attack")
        return Adversary(self.victim(arm).q_function, attack, threat, seed)

    def _look(self) -> Tensor:
        """Frames of no game in particular, to see whether a network is random."""
        shape = (4, *self.original.preprocess.shape)
        pixels = numpy_stream(0, "look").integers(256, size=shape, dtype=np.uint8)
        return to_unit(torch.from_numpy(pixels).to(self.original.device))


def matching_sigma(values: np.ndarray, rate: float, *, rng: np.random.Generator) -> float:
    """The noise on action values that flips the greedy action as often as `rate`.

    values [n, A]: noiseless action values on clean frames; rate: share of frames on which two noisy
    looks choose different actions. Bisection in log sigma with common random numbers; 0 for rate 0.
    """
    if rate <= 0 or not len(values):
        return 0.0
    spread = float(values.std()) or 1.0
    first, second = rng.standard_normal((2, *values.shape)).astype(values.dtype)
    low, high = np.log(1e-6 * spread), np.log(1e3 * spread)
    for _ in range(40):
        middle = (low + high) / 2
        sigma = np.exp(middle)
        flips = (values + sigma * first).argmax(1) != (values + sigma * second).argmax(1)
        low, high = (middle, high) if flips.mean() < rate else (low, middle)
    return float(np.exp((low + high) / 2))
