"""Who plays an arm and who attacks in it: the agents of an evaluation, and players made of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch

from sap_rl.agents import Agent, require_newest
from sap_rl.atari.fleet import Fleet
from sap_rl.atari.protocol import Policy, Protocol
from sap_rl.attacks import ATTACKS, attack_options, make_attack
from sap_rl.attacks.adversary import Adversary
from sap_rl.attacks.factory import Fittable, LooksAhead
from sap_rl.attacks.gradients import default_grad_samples, is_random
from sap_rl.attacks.names import DEFAULT_ATTACK
from sap_rl.attacks.schedule import EVERY, Schedule
from sap_rl.attacks.threat import Threat
from sap_rl.defenses.activations import shared_copy
from sap_rl.defenses.defended import backward_of, sampler_of
from sap_rl.defenses.names import Backward
from sap_rl.pixels import to_unit
from sap_rl.play.arm_stats import ArmFacts
from sap_rl.play.arms import Arm, ArmName
from sap_rl.play.attacked_player import AttackedPlayer
from sap_rl.play.policies import settled
from sap_rl.play.sight import Sight
from sap_rl.play.victims import with_backward
from sap_rl.seeds import numpy_stream, stream_seed, torch_stream
from sap_rl.types import Attack, QFunction, UnitFrames


@dataclass
class Players:
    """The agents of one evaluation; they make the players of every arm.

    protocol: settled by the original's custom where it leaves something open; bare: where another
    agent than the original carries the defence, that agent without it.
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
        attack_options(self.attack)  # refuses an attack that is not there
        require_newest(self.original, self.protocol.frames)
        self.protocol = settled(self.protocol, self.original)

    @property
    def policy(self) -> Policy:
        """How actions are chosen among scores."""
        return self.protocol.policy or "greedy"

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
            policy=self.policy,
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

        attack: one that is ready, None to make it; fleet: whose cameras a corruption needs, or
        whose one emulator an attack that looks ahead.
        """
        player = self.agent(arm.name).reseeded(stream_seed(self.seed, "policy", arm.name))
        adversary: Adversary | Sight | None = None
        if arm.victim is not None:
            adversary = self.adversary(arm, attack)
            if fleet is not None and ATTACKS[self.attack].needs_emulator:
                adversary.attack = cast(LooksAhead, adversary.attack).beside(fleet.groups[0])
        elif arm.corruption is not None:
            adversary = Sight(fleet)
        return AttackedPlayer(player, self.flip_probe(arm), adversary, self.policy)

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
        rules = self.protocol
        threat = Threat(arm.lam, rules.frames, rules.observation, rules.norm)
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
