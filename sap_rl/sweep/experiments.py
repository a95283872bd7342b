"""Experiments as they are planned: each is an evaluation, cut into cells that are kept by key."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import Any

from sap_rl.agents import load_agent
from sap_rl.corruptions import CORRUPTIONS
from sap_rl.defenses.defended import sampler_of
from sap_rl.errors import UsageError
from sap_rl.evaluation.code_version import joined, keyed
from sap_rl.evaluation.facts import AgentFacts, Origin
from sap_rl.evaluation.run import EvaluationRun, versions
from sap_rl.evaluation.settings import Settings
from sap_rl.machine import commit
from sap_rl.plain import to_plain
from sap_rl.play.arms import CALIBRATES, Arm, gradient_words, in_first_names
from sap_rl.statistics.sequential import StoppingRule
from sap_rl.store.cells import cell_key
from sap_rl.store.records import ExperimentRecord

DECIDING = ("torch", "ale-py", "gymnasium", "numpy")
"""Packages another version of which may give other draws or frames."""

MADE = ("versions", "commit")
"""What a manifest says beyond what determines the cell."""


@dataclass(frozen=True)
class Experiment:
    """An evaluation and whom to load for it, as plain data that a worker can be sent.

    agent, other: what `load_agent` takes; loading: its options; sha256, other_sha256,
    defended_sha256: of their files and of the one that plays as `defended` when the sweep began,
    None before; until: play on until intervals are narrow, at most
    `until.most` episodes, settings.episodes being those of its first look.
    """

    agent: str
    settings: Settings
    device: str = "cpu"
    loading: dict[str, Any] = field(default_factory=dict)
    other: str | None = None
    sha256: str | None = None
    other_sha256: str | None = None
    defended_sha256: str | None = None
    until: StoppingRule | None = None

    @property
    def title(self) -> str:
        """A name for people, in a few words."""
        s = self.settings
        named = [s.game] if self.agent == s.game else [s.game, self.agent]
        return " ".join([*named, s.defense or "undefended", s.tampering, f"seed {s.seed}"])

    def run(self) -> EvaluationRun:
        """Load the agents; UsageError if a file is not what it was when the sweep began."""
        agent = load_agent(self.agent, device=self.device, **self.loading)
        other = None
        if self.other is not None:
            other = load_agent(self.other, device=self.device, game=self.settings.game)
        _check_same(self.agent, self.sha256, agent.sha256)
        if other is not None and self.other is not None:
            _check_same(self.other, self.other_sha256, other.sha256)
        run = EvaluationRun(agent, self.settings, other)
        if run.players.defended is not None:
            _check_same(str(self.settings.defense), self.defended_sha256, _defended_sha256(run))
        return run


def _defended_sha256(run: EvaluationRun) -> str | None:
    return None if run.players.defended is None else run.players.defended.sha256


def _check_same(ref: str, before: str | None, now: str | None) -> None:
    if before is not None and before != now:
        raise UsageError(
            f"agent '{ref}' changed in the middle of the sweep (sha256 {before[:12]} when it "
            f"began, {(now or 'none')[:12]} now); what was played is kept, start again to play "
            "the new one"
        )


@dataclass(frozen=True)
class CellTask:
    """One cell to be played, as plain data.

    first, end: it plays the episodes first..end-1; sigma: of the noise control, None for other
    arms; manifest: what determines it and what it is made with.
    """

    experiment: Experiment
    arm: Arm
    key: str
    first: int
    end: int
    manifest: dict[str, Any]
    sigma: float | None = None

    @property
    def calibrates(self) -> bool:
        """Whether it sets the noise of the noise control."""
        return self.arm == CALIBRATES and self.first == 0

    @property
    def title(self) -> str:
        """A name for people, in a few words."""
        s, arm = self.experiment.settings, self.arm
        player = {"defended": s.defense, "noise-control": f"noise control of {s.defense}"}.get(
            arm.name
        )
        parts = [f"{s.game} {player or arm.name}"]
        if arm.corruption is not None:
            parts.append(arm.level)
        if arm.victim is not None:
            parts.append(f"{s.attack} at lambda {arm.lam:g}")
            if arm.name != "original":
                parts.append(gradient_words(arm.victim))
        if self.first:
            parts.append(f"episodes {self.first} to {self.end - 1}")
        return ", ".join(parts)


@dataclass(frozen=True)
class PlannedExperiment:
    """An experiment with its cells.

    tasks: in the order of the arms, once for every block of episodes so far, the first blocks
    first; episodes: of each arm with these.
    """

    experiment: Experiment
    about: AgentFacts
    tasks: tuple[CellTask, ...]
    episodes: int

    def record(self) -> ExperimentRecord:
        """The experiment as the store keeps it, under one key however many blocks were added."""
        settings, until = self.experiment.settings, self.experiment.until
        asked = {
            "settings": to_plain(settings),
            "agent": self.about.deciding(),
            "until": to_plain(until),
        }
        now = asked | {"settings": to_plain(self.settings), "agent": to_plain(self.about)}
        stated = made() | {"code": joined(task.manifest["code"] for task in self.tasks)}
        keys: dict[Arm, list[str]] = {}
        for task in self.tasks:
            keys.setdefault(task.arm, []).append(task.key)
        first = [blocks[0] for blocks in keys.values()]
        key = cell_key(in_first_names(asked) | {"cells": first})
        return ExperimentRecord(key, now | stated, list(keys.items()))

    @property
    def settings(self) -> Settings:
        """Settings of the evaluation that these cells make, at the level for repeated looks."""
        settings, until = self.experiment.settings, self.experiment.until
        if until is None:
            return settings
        level = until.level_at(self.episodes)
        parallel = settings.parallel
        return replace(settings, episodes=self.episodes, num_envs=parallel, look_level=level)

    def extended(self) -> PlannedExperiment | None:
        """The experiment with one block more for every arm; None where the last one is planned."""
        until = self.experiment.until
        later = [] if until is None else [end for end in until.looks if end > self.episodes]
        if not later:
            return None
        first_blocks = [task for task in self.tasks if not task.first]
        more = tuple(_block(task, self.episodes, later[0]) for task in first_blocks)
        return replace(self, tasks=self.tasks + more, episodes=later[0])


@functools.cache
def made() -> dict[str, Any]:
    """What a manifest says beyond what determines the cell."""
    return {"versions": versions(), "commit": commit()}


def _block(task: CellTask, first: int, end: int) -> CellTask:
    """Later episodes of the same arm, with draws of their own."""
    stated = {name: task.manifest[name] for name in MADE}
    facts = {k: fact for k, fact in task.manifest.items() if k not in (*MADE, "blocks")}
    facts |= {
        "first": first, "episodes": end - first, "num_envs": min(facts["num_envs"], end - first)
    } | _blocks(facts["arm"], end - first, facts["num_envs"])  # fmt: skip
    return replace(task, key=cell_key(keyed(facts)), first=first, end=end, manifest=facts | stated)


def _blocks(arm: str, episodes: int, num_envs: int) -> dict[str, Any]:
    """Where an arm takes several blocks: that each has draws of its own, which results of earlier
    versions have not. The random policy's are the episodes' own."""
    return {"blocks": "own draws"} if episodes > num_envs and arm != "random" else {}


def plan_experiment(experiment: Experiment) -> PlannedExperiment:
    """Load the agents, check that they fit, and name every cell by what determines it."""
    run = experiment.run()
    other = run.other
    experiment = replace(
        experiment,
        settings=run.settings,
        sha256=run.agent.sha256,
        other_sha256=other.sha256 if other is not None else None,
        defended_sha256=_defended_sha256(run),
    )
    tasks: dict[Arm, CellTask] = {}
    for arm in run.arms:
        facts = deciding(run, arm)
        if arm.name == "noise-control":
            facts["matched_to"] = tasks[CALIBRATES].key
        end = experiment.settings.episodes
        tasks[arm] = CellTask(experiment, arm, cell_key(keyed(facts)), 0, end, facts | made())
    origin = Origin.of(experiment.agent, experiment.loading, experiment.other)
    about = AgentFacts.of(run.agent, run.players.defended, other, threads=1, origin=origin)
    return PlannedExperiment(experiment, about, tuple(tasks.values()), experiment.settings.episodes)


def deciding(run: EvaluationRun, arm: Arm) -> dict[str, Any]:
    """Everything that determines an arm's episodes, and nothing else, so that arms which
    experiments have in common are played once."""
    s = run.settings
    p = asdict(s.protocol)
    facts: dict[str, Any] = {
        "code": run.code_of(arm),
        "packages": deciding_packages(),
        "game": s.game,
        "arm": arm.name,
        "seed": s.seed,
        "first": 0,
        "episodes": s.episodes,
        "num_envs": s.parallel,
        "device": run.agent.device.type,
        "preprocess": run.agent.preprocess.deciding,
        "protocol": _pick(p, "sticky_actions", "noop_max", "max_frames"),
    }
    if arm.name == "random":
        return facts
    facts |= {"agent_sha256": run.agent.sha256, "precision": s.precision}
    facts |= _blocks(arm.name, s.episodes, s.parallel)
    facts["protocol"] |= deciding_rules(_pick(p, "epsilon", "policy_samples", "policy"))
    if arm.name == "defended":
        sampler = sampler_of(run.players.agent(arm.name).module)
        facts |= {"defense": s.defense, "defense_options": s.defense_options, "sampler": sampler}
        facts["defended_sha256"] = _defended_sha256(run)
    if arm.victim is not None:
        facts |= _attack_facts(run, arm)
    if arm.corruption is not None:
        facts |= _corruption_facts(arm.corruption, arm.lam)
    return facts


def deciding_rules(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Rules as keys hold them: what was no rule once, a Q-network's policy and the norm linf, goes
    without saying."""
    return {k: v for k, v in rules.items() if (k, v) not in (("policy", None), ("norm", "linf"))}


def deciding_packages() -> dict[str, str]:
    """The versions of the packages that determine results."""
    return {name: found for name, found in versions().items() if name in DECIDING}


def _corruption_facts(name: str, severity: float) -> dict[str, Any]:
    package = CORRUPTIONS[name].package
    needed = {} if package is None else {package: version(package)}
    return {"corruption": name, "severity": severity, "corruption_packages": needed}


def _attack_facts(run: EvaluationRun, arm: Arm) -> dict[str, Any]:
    s, other = run.settings, run.other if arm.victim == "other" else None
    return {
        "lambda": arm.lam,
        "victim": arm.victim,
        "other_sha256": None if other is None else other.sha256,
        "attack": s.attack,
        "attack_options": s.attack_options,
        "attack_backward": s.attack_backward,
        "schedule": asdict(s.schedule),
        "attack_protocol": deciding_rules(
            _pick(asdict(s.protocol), "frames", "observation", "norm", "grad_samples")
        ),
    }


def _pick(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names}
