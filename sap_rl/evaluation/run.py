"""One evaluation as it is played: its arms, what happens in them, and what is known by then."""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from typing import Any

import torch

from sap_rl.agents import Agent
from sap_rl.atari.env import num_actions
from sap_rl.atari.fleet import Fleet, make_fleet
from sap_rl.atari.rewound import RewoundAtari
from sap_rl.corruptions.camera import Camera
from sap_rl.defenses.names import NOISE_CONTROL
from sap_rl.errors import UsageError
from sap_rl.evaluation.assembly import assemble
from sap_rl.evaluation.code_version import code_version, joined
from sap_rl.evaluation.facts import AgentFacts, Made, Origin
from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import make_row
from sap_rl.machine import commit, keep_freed_memory
from sap_rl.play.arm_games import ArmGames
from sap_rl.play.arm_stats import ArmFacts, ArmStats
from sap_rl.play.arms import CALIBRATES, Arm, plan
from sap_rl.play.defended_player import defended_by, require_actions
from sap_rl.play.frames import record_for_attack
from sap_rl.play.noise_control import add_noise_control
from sap_rl.play.players import Players
from sap_rl.play.policies import settled
from sap_rl.play.rollout import Episode, Step
from sap_rl.play.threads import Job, side_by_side


@dataclass(frozen=True)
class ArmStarted:
    """An arm begins; facts: what is fixed about it."""

    arm: Arm
    facts: ArmFacts


@dataclass(frozen=True)
class ArmPlayed:
    """One event of an arm's games; arm_stats: everything so far (the same object grows)."""

    arm: Arm
    what: Step | Episode
    arm_stats: ArmStats


@dataclass(frozen=True)
class ArmEnded:
    """An arm is complete."""

    arm: Arm
    row: Row


Event = ArmStarted | ArmPlayed | ArmEnded


@dataclass
class EvaluationRun:
    """One evaluation in progress: `play` it, and ask for the `result` at any moment.

    agent: the original; settings: what to do, by the agent's custom where the rules leave something
    open; other: the agent behind victim `other`; origin: from where they were loaded, for the
    result to say. Raises UsageError at once if they do not fit.
    at_once: how many arms are played side by side, one per thread that torch had at the start.
    """

    agent: Agent
    settings: Settings
    other: Agent | None = None
    origin: Origin | None = field(default=None, kw_only=True)
    _rows: dict[Arm, Row] = field(default_factory=dict)
    _open: dict[Arm, tuple[ArmFacts, ArmStats]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rules = settled(self.settings.protocol, self.agent)
        self.settings = s = replace(self.settings, protocol=rules)
        samples = s.protocol.policy_samples
        original = replace(self.agent.in_precision(s.precision), policy_samples=samples)
        self.players = Players(
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
            self.players.defended, self.players.bare = defended_by(
                original, s.defense, seed=s.seed, precision=s.precision, **s.defense_options
            )
        for name in ("original", *(["defended"] if s.defense else [])):
            agent = self.players.agent(name)  # type: ignore[arg-type]
            require_actions(agent, s.game, num_actions(s.game, agent.preprocess))
        self.arms = plan(
            s.levels,
            defended=s.defense is not None,
            victims=s.victims,
            controls=s.controls,
            noisy=s.defense is None or self.players.random("defended"),
            corruption=s.corruption,
        )
        for arm in self.arms:
            if arm.name == "original" and arm.corruption is not None:
                self.fleet(1, arm).close()  # refuses what does not go with what the agent sees
        self.threads = torch.get_num_threads()
        self.at_once = max(1, min(self.threads, len(self.arms)))

    @property
    def rows(self) -> list[Row]:
        """The rows of the complete arms, in the order of `arms`."""
        return [self._rows[arm] for arm in self.arms if arm in self._rows]

    @property
    def code(self) -> str:
        """The versions of all that takes part."""
        return joined(self.code_of(arm) for arm in self.arms)

    def code_of(self, arm: Arm) -> str:
        """The versions of what takes part in an arm; see `code_version`."""
        if arm.name == "random":
            return code_version()
        behind = arm.name in ("defended", "noise-control")
        agents = [self.agent, self.players.defended if behind else None]
        return code_version(
            [*agents, self.other if arm.victim == "other" else None],
            attacks=[self.settings.attack] if arm.victim is not None else [],
            defenses=[NOISE_CONTROL] if arm.name == "noise-control" else [],
            corruptions=[arm.corruption] if arm.corruption is not None else [],
        )

    def play(self) -> Iterator[Event]:
        """Play all arms, yielding what happens; may be abandoned at any moment.

        Side by side, a thread for each, so that events of different arms mingle; see `at_once`.
        """
        keep_freed_memory()
        self.prepare(self.arms)
        with ExitStack() as stack:
            fleets = [self.fleet(self.settings.parallel) for _ in range(self.at_once)]
            for fleet in fleets:
                stack.callback(fleet.close)
            jobs = [self._job(arm, fleets) for arm in self._starting_order()]
            yield from side_by_side(jobs, self.at_once)

    def _job(self, arm: Arm, fleets: Sequence[Fleet]) -> Job[Event]:
        """The games of an arm; the noise control waits until its noise is known."""

        def ready() -> bool:
            return arm.name != "noise-control" or self.players.noise_control is not None

        return Job(lambda place: self._play_on(arm, fleets[place]), ready)

    def _play_on(self, arm: Arm, fleet: Fleet) -> Iterator[Event]:
        """The games of an arm on a fleet, or on one of its own where cameras look at it."""
        if arm.corruption is None:
            yield from self._play_arm(arm, fleet)
            return
        with closing(self.fleet(fleet.num_envs, arm)) as seen:
            yield from self._play_arm(arm, seen)

    def under(self, attack: str, options: dict[str, Any], **how: Any) -> EvaluationRun:
        """The same agents under another attack; how: see `Players.under`."""
        other = copy.copy(self)
        other.players = players = self.players.under(attack, options, **how)
        other.settings = replace(
            self.settings,
            attack=attack,
            attack_options=options,
            attack_backward=players.backward,
            protocol=players.protocol,
        )
        return other

    def prepare(self, arms: Sequence[Arm]) -> None:
        """Record the frames that these arms' attack is fitted on, where it needs any."""
        if any(arm.victim for arm in arms):
            record_for_attack(self.players, self.settings.game)

    def fleet(self, num_envs: int, arm: Arm | None = None) -> Fleet:
        """Emulators for `games` of an arm, with its cameras; to be closed afterwards."""
        s, sees = self.settings, self.agent.preprocess
        if s.in_one_emulator:
            return Fleet([RewoundAtari(s.game, protocol=s.protocol, preprocess=sees)])
        return make_fleet(
            s.game,
            num_envs,
            protocol=s.protocol,
            preprocess=sees,
            camera=None if arm is None else camera_of(arm),
        )

    def games(
        self, arm: Arm, fleet: Fleet, episodes: range, *, calibrates: bool = False
    ) -> ArmGames:
        """These episodes of one prepared arm, to be played; calibrates: see `ArmGames`."""
        players = self.players if self.at_once == 1 else self.players.apart()
        return ArmGames(players, arm, fleet, episodes, calibrates)

    def _starting_order(self) -> list[Arm]:
        """Costly arms of a lambda first where arms go side by side, lest one be left to the end."""
        if self.at_once == 1:
            return self.arms
        return sorted(self.arms, key=lambda arm: (arm.lam, -arm.cost))

    def result(self) -> Evaluation:
        """What is known by now; an arm in progress is a row marked incomplete."""
        known = self._rows | {
            arm: make_row(self.settings, arm, facts, arm_stats)
            for arm, (facts, arm_stats) in list(self._open.items())
        }
        rows = [known[arm] for arm in self.arms if arm in known]
        about = AgentFacts.of(
            self.agent, self.players.defended, self.other, threads=self.threads, origin=self.origin
        )
        made = Made(versions(), commit(), self.code)
        return assemble(self.settings, about, made, rows, arms=len(self.arms))

    def _play_arm(self, arm: Arm, fleet: Fleet) -> Iterator[Event]:
        calibrates = arm == CALIBRATES and any(other.name == "noise-control" for other in self.arms)
        every = range(self.settings.episodes)
        games = self.games(arm, fleet, every, calibrates=calibrates)
        self._open[arm] = (games.facts, games.arm_stats)
        yield ArmStarted(arm, games.facts)
        for event in games.play():
            yield ArmPlayed(arm, event, games.arm_stats)
        row = make_row(self.settings, arm, games.facts, games.arm_stats)
        self._rows[arm] = row
        del self._open[arm]
        if games.sigma is not None:
            add_noise_control(self.players, games.sigma)
        yield ArmEnded(arm, row)


def camera_of(arm: Arm) -> Callable[[], Camera] | None:
    """What makes the cameras of an arm; None where nothing spoils its frames."""
    return None if arm.corruption is None else partial(Camera, arm.corruption, arm.lam)


def versions() -> dict[str, str]:
    """Versions of everything that a result depends on."""
    packages = ("sap-rl", "torch", "ale-py", "gymnasium", "numpy", "scipy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
