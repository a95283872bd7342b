"""One evaluation as it is played: its arms, what happens in them, and what is known by then."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version

import numpy as np
import torch

from sap_rl.agents import Agent
from sap_rl.atari.env import make_atari
from sap_rl.atari.fleet import Fleet, make_fleet
from sap_rl.attacks import attack_options
from sap_rl.errors import UsageError
from sap_rl.evaluation.arms import Arm, Cast, RandomPlayer, matching_sigma, plan
from sap_rl.evaluation.contenders import defended_by
from sap_rl.evaluation.episodes import max_agent_steps
from sap_rl.evaluation.findings import evaluation_findings
from sap_rl.evaluation.frames import fitting_frames
from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.evaluation.rollout import Episode, Player, Step, rollout
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.side_by_side import Job, side_by_side
from sap_rl.evaluation.summary import ArmFacts, Tally, make_changes, make_row
from sap_rl.machine import keep_freed_memory
from sap_rl.seeds import numpy_stream

MATCH_EVERY = 8
"""Steps of the defended agent's clean play between those whose values set the matched noise."""


@dataclass(frozen=True)
class ArmStarted:
    """An arm begins; facts: what is fixed about it."""

    arm: Arm
    facts: ArmFacts


@dataclass(frozen=True)
class ArmPlayed:
    """One event of an arm's games; tally: everything so far (the same object grows)."""

    arm: Arm
    what: Step | Episode
    tally: Tally


@dataclass(frozen=True)
class ArmEnded:
    """An arm is complete."""

    arm: Arm
    row: Row


Event = ArmStarted | ArmPlayed | ArmEnded


@dataclass
class Stage:
    """One evaluation in progress: `play` it, and ask for the `result` at any moment.

    agent: the original; settings: what to do; other: the agent behind victim `other`. Raises
    UsageError at once if they do not fit.
    at_once: how many arms are played side by side, one per thread that torch had at the start.
    """

    agent: Agent
    settings: Settings
    other: Agent | None = None
    _rows: dict[Arm, Row] = field(default_factory=dict)
    _open: dict[Arm, tuple[ArmFacts, Tally]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        s = self.settings
        samples = s.protocol.policy_samples
        original = replace(self.agent.in_precision(s.precision), policy_samples=samples)
        self.cast = Cast(
            original,
            s.protocol,
            s.seed,
            s.attack,
            s.attack_options,
            other=self.other,
            backward=s.attack_backward,
            schedule=s.schedule,
        )
        if "other" in s.victims and self.other is None:
            raise UsageError("victim 'other' needs another agent")
        if s.defense is not None:
            self.cast.defended = defended_by(
                original, s.defense, seed=s.seed, precision=s.precision, **s.defense_options
            )
        for name in ("original", *(["defended"] if s.defense else [])):
            self._check_actions(self.cast.agent(name))  # type: ignore[arg-type]
        self.arms = plan(
            s.lams,
            defended=s.defense is not None,
            victims=s.victims,
            controls=s.controls,
            noisy=s.defense is None or self.cast.random("defended"),
        )
        self.threads = torch.get_num_threads()
        self.at_once = max(1, min(self.threads, len(self.arms)))

    @property
    def rows(self) -> list[Row]:
        """Of the arms that are complete, in the order of `arms`."""
        return [self._rows[arm] for arm in self.arms if arm in self._rows]

    def play(self) -> Iterator[Event]:
        """Play all arms, yielding what happens; may be abandoned at any moment.

        Side by side, a thread for each, so that events of different arms mingle; see `at_once`.
        """
        s = self.settings
        keep_freed_memory()
        if s.attack == "universal" and self.cast.recorded is None:
            self.cast.recorded = fitting_frames(self.cast, s.game)
        with ExitStack() as stack:
            fleets = [
                make_fleet(
                    s.game, s.parallel, protocol=s.protocol, preprocess=self.agent.preprocess
                )
                for _ in range(self.at_once)
            ]
            for fleet in fleets:
                stack.callback(fleet.close)
            jobs = [
                Job(
                    lambda place, arm=arm: self._play_arm(arm, fleets[place]),  # type: ignore[misc]
                    lambda arm=arm: arm.name != "matched" or self.cast.matched is not None,  # type: ignore[misc]
                )
                for arm in self._starting_order()
            ]
            yield from side_by_side(jobs, self.at_once)

    def _starting_order(self) -> list[Arm]:
        """Costly arms of a lambda first where arms go side by side, lest one be left to the end."""
        if self.at_once == 1:
            return self.arms
        return sorted(self.arms, key=lambda arm: (arm.lam, -arm.cost))

    def result(self) -> Evaluation:
        """What is known by now; an arm in progress is a row marked incomplete."""
        known = self._rows | {
            arm: make_row(self.settings, arm, facts, tally)
            for arm, (facts, tally) in list(self._open.items())
        }
        rows = [known[arm] for arm in self.arms if arm in known]
        config = asdict(self.settings) | {
            "num_envs": self.settings.parallel,
            "agent": self.agent.name,
            "agent_sha256": self.agent.sha256,
            "defended_sha256": self.cast.defended.sha256 if self.cast.defended else None,
            "device": str(self.agent.device),
            "threads": self.threads,
            "arms": len(self.arms),
        }
        protocol = config.pop("protocol") | {"preprocess": asdict(self.agent.preprocess)}
        changes = make_changes(self.settings, rows)
        checks = evaluation_findings(self.settings, rows, changes)
        return Evaluation(config, versions(), protocol, tuple(rows), changes, checks)

    def _play_arm(self, arm: Arm, fleet: Fleet) -> Iterator[Event]:
        s = self.settings
        cast = self.cast if self.at_once == 1 else self.cast.apart()
        player: Player = RandomPlayer() if arm.name == "random" else cast.contestant(arm)
        facts = self._facts(arm, cast)
        tally = Tally()
        self._open[arm] = (facts, tally)
        yield ArmStarted(arm, facts)
        watched: list[np.ndarray] = []
        started = time.perf_counter()
        games = rollout(
            fleet,
            player,
            episodes=s.episodes,
            seed=s.seed,
            epsilon=facts.epsilon,
            max_steps=max_agent_steps(s.protocol.max_frames, self.agent.preprocess.frameskip),
        )
        calibrates = (arm.name, arm.lam) == ("defended", 0.0) and s.controls
        for count, event in enumerate(games):
            tally.add(event)
            tally.seconds = time.perf_counter() - started
            if calibrates and isinstance(event, Step) and count % MATCH_EVERY == 0:
                watched.append(cast.original.q_values(event.pixels).cpu().numpy())
            yield ArmPlayed(arm, event, tally)
        row = make_row(s, arm, facts, tally)
        self._rows[arm] = row
        del self._open[arm]
        if calibrates and any(planned.name == "matched" for planned in self.arms):
            self._match(np.concatenate(watched), row.self_flip_rate or 0.0)
        yield ArmEnded(arm, row)

    def _match(self, values: np.ndarray, rate: float) -> None:
        """Cast the `matched` control: noise that flips as often as the defended agent."""
        sigma = matching_sigma(values, rate, rng=numpy_stream(self.settings.seed, "match"))
        # Its action values are a mean over passes too, which shrinks the noise.
        sigma *= self.settings.protocol.policy_samples**0.5
        self.cast.matched = self.cast.original.defend(
            f"q-noise-{sigma:.4g}", seed=self.settings.seed
        )

    def _facts(self, arm: Arm, cast: Cast) -> ArmFacts:
        s = self.settings
        if arm.name == "random":
            return ArmFacts(epsilon=1.0)
        agent = cast.agent(arm.name)
        attacked = arm.victim is not None
        victim = cast.victim(arm).module if attacked else None
        gradient = attacked and "grad_samples" in attack_options(s.attack)
        return ArmFacts(
            attack=s.attack if attacked else None,
            defense=agent.defense,
            backward=getattr(victim, "backward", None) if gradient else None,
            grad_samples=cast.grad_samples(arm) if gradient else None,
            policy_samples=agent.policy_samples,
            epsilon=s.protocol.epsilon,
            precision=_precision(agent),
            sampler=getattr(agent.module, "sampler_version", None),
        )

    def _check_actions(self, agent: Agent) -> None:
        """Refuse a network whose outputs are not the game's actions, before anything is played."""
        preprocess = agent.preprocess
        envs = make_atari(self.settings.game, preprocess=preprocess)
        wanted = int(envs.single_action_space.n)  # type: ignore[attr-defined]
        envs.close()
        found = agent.q_values(np.zeros((1, *preprocess.shape), np.uint8)).shape[1]
        if found != wanted:
            raise UsageError(
                f"agent '{agent.name}' has {found} actions but {self.settings.game} has {wanted}; "
                "it was trained on another game or action set"
            )


def _precision(agent: Agent) -> str:
    """What the network's products are computed in."""
    dtypes = sorted({str(p.dtype).removeprefix("torch.") for p in agent.module.parameters()})
    tf32 = agent.device.type == "cuda" and torch.backends.cudnn.allow_tf32
    return "+".join(dtypes or ["float32"]) + (" (TF32 convolutions)" if tf32 else "")


def versions() -> dict[str, str]:
    """Versions of everything that a result depends on."""
    packages = ("sap-rl", "torch", "ale-py", "gymnasium", "numpy", "scipy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
