"""Who plays an arm and who attacks in it: the agents of an evaluation, and players made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from sap_rl.agents import Agent, require_newest
from sap_rl.atari.fleet import Fleet
from sap_rl.atari.protocol import Protocol
from sap_rl.attacks import ATTACKS, make_attack
from sap_rl.attacks.adversary import Adversary, Attacked
from sap_rl.attacks.factory import Fittable
from sap_rl.attacks.gradients import default_grad_samples, is_random, passes
from sap_rl.attacks.names import DEFAULT_ATTACK
from sap_rl.attacks.schedule import EVERY, Schedule
from sap_rl.attacks.threat import Threat
from sap_rl.corruptions.sighting import Sighting
from sap_rl.defenses.activations import shared_copy
from sap_rl.defenses.defended import backward_of, sampler_of
from sap_rl.defenses.names import Backward
from sap_rl.pixels import to_unit
from sap_rl.play.arm_stats import ArmFacts
from sap_rl.play.arms import Arm, ArmName
from sap_rl.play.rollout import Decision
from sap_rl.play.sight import Sight
from sap_rl.play.victims import with_backward
from sap_rl.seeds import numpy_stream, stream_seed, torch_stream
from sap_rl.types import ActionArray, Attack, PixelArray, Pixels, QFunction, QValues, UnitFrames

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
    known on every step. adversary: None for clean play. seen: the last step's, for who films it.
    """

    agent: Agent
    flip_probe: Agent | None = None
    adversary: Adversary | Sight | None = None
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
        on_clean, self_flipped = self._look_at(clean, attacked, looks=looks)
        return Decision(
            actions,
            flipped=None if attacked is None or on_clean is None else actions != on_clean,
            self_flipped=self_flipped,
            **({} if attacked is None else _arrays(attacked.measured)),
            **(_arrays({"idle": attacked.idle}) if attacked is not None and looks else {}),
        )

    def _look_at(
        self, clean: Tensor, attacked: Attacked | Sighting | None, *, looks: bool
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

    def _own_action(self, clean: Tensor, label: Tensor | None) -> ActionArray:
        """A deterministic agent's action on the clean frames; the victim's label if that is it."""
        by = self.adversary
        own = isinstance(by, Adversary) and by.victim is self.agent.q_function
        if label is not None and own and by.threat.frames == "all":  # type: ignore[union-attr]
            return label.cpu().numpy()
        return self.agent.act(clean)


def _looks(agent: Agent, pixels: Tensor, count: int) -> list[ActionArray]:
    """The greedy action on the same frames, `count` times [B]; a random agent's looks differ."""
    samples = agent.policy_samples
    with torch.no_grad():
        folded = torch.cat(list(passes(agent.q_function, to_unit(pixels), count * samples)))
    values = folded.view(count, samples, len(pixels), -1).mean(1)
    return list(values.argmax(2).cpu().numpy())


def _arrays(measured: Mapping[str, Tensor | None]) -> dict[str, np.ndarray]:
    """What was measured, without what was not."""
    return {name: v.cpu().numpy() for name, v in measured.items() if v is not None}


@dataclass
class Players:
    """The agents of one evaluation; they make the players of every arm.

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
    noise_control: Agent | None = None
    other: Agent | None = None
    backward: Backward | None = None
    schedule: Schedule = EVERY
    recorded: np.ndarray | None = None

    def __post_init__(self) -> None:
        require_newest(self.original, self.protocol.frames)

    @property
    def plain(self) -> Agent:
        """The defended agent without its defence: it lends its gradient as victim `original`, and
        is the noise control without its noise."""
        return self.bare or self.original

    def apart(self) -> Players:
        """The same agents with modules of their own, Parameters shared: a network that keeps values
        between its layers is then safe from passes in other threads."""
        copies = {
            name: replace(agent, module=shared_copy(agent.module))
            for name in ("original", "defended", "bare", "noise_control", "other")
            if (agent := getattr(self, name)) is not None
        }
        return replace(self, **copies)

    def under(
        self,
        attack: str,
        options: dict[str, Any],
        *,
        backward: Backward | None = None,
        grad_samples: int | None = None,
    ) -> Players:
        """The same agents under another attack."""
        protocol = replace(self.protocol, grad_samples=grad_samples)
        return replace(self, protocol=protocol, attack=attack, options=options, backward=backward)

    def agent(self, name: ArmName) -> Agent:
        """The agent that plays in the arms of that name."""
        agent = {
            "original": self.original,
            "defended": self.defended,
            "noise-control": self.noise_control,
        }
        found = agent.get(name)
        assert found is not None, f"no agent plays in arm {name}"
        return found

    def random(self, name: ArmName) -> bool:
        """Whether two passes of that arm's agent differ."""
        return is_random(self.agent(name).q_function, some_frames(self.original))

    def victim(self, arm: Arm) -> Agent:
        """The agent whose gradient the attacker uses; asking it never moves a player's stream."""
        if arm.victim == "other":
            assert self.other is not None, f"no other agent lends its gradient to {arm.title}"
            source = self.other
        else:
            own = arm.victim == "own" or arm.name == "original"
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

    def facts(self, arm: Arm) -> ArmFacts:
        """What is fixed about an arm before it is played."""
        if arm.name == "random":
            return ArmFacts(epsilon=1.0)
        agent = self.agent(arm.name)
        attacked = arm.victim is not None
        victim = self.victim(arm).module if attacked else None
        asked = victim if ATTACKS[self.attack].asks else None
        return ArmFacts(
            attack=self.attack if attacked else None,
            defense=agent.defense,
            backward=backward_of(asked) if asked is not None else None,
            grad_samples=self.grad_samples(arm) if asked is not None else None,
            policy_samples=agent.policy_samples,
            epsilon=self.protocol.epsilon,
            precision=_precision(agent),
            sampler=sampler_of(agent.module),
            corruption=arm.corruption,
        )

    def for_block(self, first: int) -> Players:
        """The same agents for the games from `first` on, with random streams of their own.

        The first block's are those of the seed itself.
        """
        return replace(self, seed=stream_seed(self.seed, "block", first)) if first else self

    def attacked_player(
        self, arm: Arm, attack: Attack | None = None, fleet: Fleet | None = None
    ) -> AttackedPlayer:
        """Who plays this arm, with fresh streams that depend on the arm's name alone.

        attack: one that is ready, None to make it; fleet: whose cameras a corruption needs.
        """
        player = self.agent(arm.name).reseeded(stream_seed(self.seed, "policy", arm.name))
        adversary: Adversary | Sight | None = None
        if arm.victim is not None:
            adversary = self.adversary(arm, attack)
        elif arm.corruption is not None:
            adversary = Sight(fleet)
        return AttackedPlayer(player, self.flip_probe(arm), adversary)

    def flip_probe(self, arm: Arm) -> Agent | None:
        """A second player of this arm's agent on which flips are measured; None if it is
        deterministic."""
        if not self.random(arm.name):
            return None
        return self.agent(arm.name).reseeded(stream_seed(self.seed, "meter", arm.name))

    def adversary(self, arm: Arm, attack: Attack | None = None) -> Adversary:
        """Who attacks in this arm, with streams of its own.

        attack: one that another adversary of this arm has; None makes it and fits it if need be.
        """
        threat = Threat(arm.lam, self.protocol.frames, self.protocol.observation)
        victim = self.victim(arm).q_function
        if attack is None:
            attack = self._attack(arm, threat, victim)
        return Adversary(victim, attack, threat, stream_seed(self.seed, "attack"), self.schedule)

    def _attack(self, arm: Arm, threat: Threat, victim: QFunction) -> Attack:
        options = dict(self.options)
        if ATTACKS[self.attack].asks:
            options["grad_samples"] = self.grad_samples(arm)
        attack = make_attack(self.attack, **options)
        if ATTACKS[self.attack].needs_frames:
            assert self.recorded is not None, "no frames were recorded to fit the attack on"
            seen = to_unit(torch.from_numpy(self.recorded).to(self.original.device))
            draws = torch_stream(self.seed, "fit", device=self.original.device)
            attack = cast(Fittable, attack).fit(victim, seen, threat, draws)
        return attack


def _precision(agent: Agent) -> str:
    """What the network's products are computed in."""
    dtypes = sorted({str(p.dtype).removeprefix("torch.") for p in agent.module.parameters()})
    tf32 = agent.device.type == "cuda" and torch.backends.cudnn.allow_tf32
    return "+".join(dtypes or ["float32"]) + (" (TF32 convolutions)" if tf32 else "")


def some_frames(agent: Agent) -> UnitFrames:
    """Frames of no game in particular, to see whether its network is random."""
    shape = (4, *agent.preprocess.shape)
    pixels = numpy_stream(0, "look").integers(256, size=shape, dtype=np.uint8)
    return to_unit(torch.from_numpy(pixels).to(agent.device))
