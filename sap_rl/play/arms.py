"""The arms of an evaluation: who plays, who attacks, and the controls."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor

from sap_rl.agents import Agent
from sap_rl.atari.protocol import Protocol
from sap_rl.attacks import ATTACKS, make_attack
from sap_rl.attacks.adversary import Adversary, Attacked
from sap_rl.attacks.factory import Fittable
from sap_rl.attacks.gradients import default_grad_samples, is_random, passes
from sap_rl.attacks.names import DEFAULT_ATTACK
from sap_rl.attacks.schedule import EVERY, Schedule
from sap_rl.attacks.threat import Threat
from sap_rl.defenses.activations import shared_copy
from sap_rl.defenses.names import Backward
from sap_rl.pixels import to_unit
from sap_rl.play.rollout import Decision
from sap_rl.play.victims import with_backward
from sap_rl.seeds import numpy_stream, stream_seed, torch_stream
from sap_rl.types import ActionArray, PixelArray, UnitFrames

PROBE_EVERY = 8
"""Steps of a random agent between those on which its flips are measured: each costs two passes."""

ArmName = Literal["original", "defended", "random", "matched"]
Victim = Literal["self", "original", "other"]


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

    @property
    def cost(self) -> float:
        """Rough, of an episode: in passes of a plain network per step."""
        if self.name == "random":
            return 0.5
        if not self.victim:
            return 2.0 if self.name == "original" else 5.0
        own = self.victim == "self"
        return {"original": 6.0, "defended": 30.0 if own else 10.0}.get(self.name, 7.0)


def plan(
    lams: tuple[float, ...],
    *,
    defended: bool,
    victims: tuple[Victim, ...],
    controls: bool,
    noisy: bool = True,
) -> list[Arm]:
    """All arms in playing order: clean ones first, then each lambda.

    noisy: the defended agent flips at random, so that the `matched` control means something.
    """
    names: list[ArmName] = ["random"] if controls else []
    names += ["original", *(["defended"] if defended else [])]  # type: ignore[list-item]
    names += ["matched"] if defended and controls and noisy else []
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
class AttackedPlayer:
    """An agent under attack, measured as it plays.

    flip_probe: a second player of a random agent, with a stream of its own, so that measuring moves
    nothing; it looks on every PROBE_EVERY-th step. None for a deterministic agent, whose flips are
    known on every step. adversary: None for clean play.
    """

    agent: Agent
    flip_probe: Agent | None = None
    adversary: Adversary | None = None
    steps: int = field(default=0, init=False)

    def decide(self, pixels: PixelArray, first: np.ndarray, rows: np.ndarray) -> Decision:
        clean = torch.as_tensor(pixels).to(self.agent.device)
        attacked = None
        if self.adversary is not None:
            attacked = self.adversary.perturb(clean, torch.as_tensor(first), rows.tolist())
        actions = self.agent.act(clean if attacked is None else attacked.pixels)
        looks, self.steps = self.steps % PROBE_EVERY == 0, self.steps + 1
        on_clean, self_flipped = self._look_at(clean, attacked, looks=looks)
        return Decision(
            actions,
            flipped=None if attacked is None or on_clean is None else actions != on_clean,
            self_flipped=self_flipped,
            **({} if attacked is None else _measured(attacked)),
            idle=attacked.idle.cpu().numpy() if attacked is not None and looks else None,
        )

    def _look_at(
        self, clean: Tensor, attacked: Attacked | None, *, looks: bool
    ) -> tuple[ActionArray | None, np.ndarray | None]:
        """The action on the clean frames, and whether a second look chose another; None where it
        is not measured."""
        if self.flip_probe is None:
            action = None if attacked is None else self._own_action(clean, attacked.label)
            return action, np.zeros(len(clean), dtype=np.bool_)
        if not looks:
            return None, None
        first, second = _looks(self.flip_probe, clean, 2)
        return first, first != second

    def _own_action(self, clean: Tensor, label: Tensor) -> ActionArray:
        """A deterministic agent's action on the clean frames; the victim's label if that is it."""
        assert self.adversary is not None
        own = self.adversary.victim is self.agent.q_function
        if own and self.adversary.threat.frames == "all":
            return label.cpu().numpy()
        return self.agent.act(clean)


def _looks(agent: Agent, pixels: Tensor, count: int) -> list[ActionArray]:
    """The greedy action on the same frames, `count` times [B]; a random agent's looks differ."""
    samples = agent.policy_samples
    with torch.no_grad():
        folded = torch.cat(list(passes(agent.q_function, to_unit(pixels), count * samples)))
    values = folded.view(count, samples, len(pixels), -1).mean(1)
    return list(values.argmax(2).cpu().numpy())


def _measured(attacked: Attacked) -> dict[str, np.ndarray]:
    """What the referee and the adversary measured, per environment."""
    rows = len(attacked.linf)
    return {
        "linf": attacked.linf.cpu().numpy(),
        "mean": attacked.mean.cpu().numpy(),
        "struck": attacked.struck.cpu().numpy(),
        "forward": np.full(rows, attacked.cost.forward),
        "backward": np.full(rows, attacked.cost.backward),
    }


@dataclass
class Players:
    """The agents of one evaluation, and contestants made from them for each arm.

    bare: where another agent than the original carries the defence, that agent without it.
    other: another agent whose gradient is used in the arms with victim `other`; backward: the
    defence's backward mode in the attacker's copy, None for the player's own; schedule: when the
    attacker strikes; recorded: pixels [N, K, H, W] for an attack that needs recorded frames.
    """

    original: Agent
    protocol: Protocol
    seed: int
    attack: str = DEFAULT_ATTACK
    options: dict[str, Any] = field(default_factory=dict)
    defended: Agent | None = None
    bare: Agent | None = None
    matched: Agent | None = None
    other: Agent | None = None
    backward: Backward | None = None
    schedule: Schedule = EVERY
    recorded: np.ndarray | None = None

    @property
    def plain(self) -> Agent:
        """The defended agent without its defence: it lends its gradient as victim `original`, and
        is the matched control without its noise."""
        return self.bare or self.original

    def apart(self) -> Players:
        """The same cast with modules of its own, Parameters shared: a network that keeps values
        between its layers is then safe from passes in other threads."""
        copies = {
            name: replace(agent, module=shared_copy(agent.module))
            for name in ("original", "defended", "bare", "matched", "other")
            if (agent := getattr(self, name)) is not None
        }
        return replace(self, **copies)

    def agent(self, name: ArmName) -> Agent:
        """The agent that plays in the arms of that name."""
        agent = {"original": self.original, "defended": self.defended, "matched": self.matched}
        found = agent.get(name)
        assert found is not None, f"no agent plays in arm {name}"
        return found

    def random(self, name: ArmName) -> bool:
        """Whether two passes of that arm's agent differ."""
        return is_random(self.agent(name).q_function, some_frames(self.original))

    def victim(self, arm: Arm) -> Agent:
        """Whose gradient the attacker uses; never moves a player's stream."""
        if arm.victim == "other":
            assert self.other is not None, f"no other agent lends its gradient to {arm.title}"
            source = self.other
        else:
            own = arm.victim == "self" or arm.name == "original"
            source = self.agent(arm.name) if own else self.plain
        victim = source.reseeded(stream_seed(self.seed, "victim", arm.name))
        return victim if self.backward is None else with_backward(victim, self.backward)

    def grad_samples(self, arm: Arm) -> int:
        """Passes averaged per gradient in this arm; 1 for attacks without a gradient."""
        if not ATTACKS[self.attack].asks:
            return 1
        if self.protocol.grad_samples is not None:
            return self.protocol.grad_samples
        return default_grad_samples(self.victim(arm).q_function, some_frames(self.original))

    def attacked_player(self, arm: Arm) -> AttackedPlayer:
        """Who plays this arm, with fresh streams that depend on the arm's name alone."""
        agent = self.agent(arm.name)
        player = agent.reseeded(stream_seed(self.seed, "policy", arm.name))
        flip_probe = None
        if self.random(arm.name):
            flip_probe = agent.reseeded(stream_seed(self.seed, "meter", arm.name))
        adversary = self.adversary(arm) if arm.victim is not None else None
        return AttackedPlayer(player, flip_probe, adversary)

    def adversary(self, arm: Arm) -> Adversary:
        """Who attacks in this arm, with streams of its own."""
        options = dict(self.options)
        if ATTACKS[self.attack].asks:
            options["grad_samples"] = self.grad_samples(arm)
        threat = Threat(arm.lam, self.protocol.frames, self.protocol.observation)
        attack = make_attack(self.attack, **options)
        seed = stream_seed(self.seed, "attack")
        victim = self.victim(arm).q_function
        if ATTACKS[self.attack].needs_frames:
            assert self.recorded is not None, "no frames were recorded to fit the attack on"
            seen = to_unit(torch.from_numpy(self.recorded).to(self.original.device))
            draws = torch_stream(self.seed, "fit", device=self.original.device)
            attack = cast(Fittable, attack).fit(victim, seen, threat, draws)
        return Adversary(victim, attack, threat, seed, self.schedule)


def some_frames(agent: Agent) -> UnitFrames:
    """Frames of no game in particular, to see whether its network is random."""
    shape = (4, *agent.preprocess.shape)
    pixels = numpy_stream(0, "look").integers(256, size=shape, dtype=np.uint8)
    return to_unit(torch.from_numpy(pixels).to(agent.device))


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
