"""What Python users call: evaluate an agent, harden one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from sap_rl.agents import Agent, load_agent
from sap_rl.atari.games import canonical_game
from sap_rl.atari.protocol import Frames, Norm, Observation, Policy, Protocol
from sap_rl.attacks.schedule import Schedule, parse_schedule
from sap_rl.certification.results import Certificate
from sap_rl.certification.run import Certification, FramesDone
from sap_rl.certification.settings import CertifySettings
from sap_rl.defenses.names import Backward
from sap_rl.evaluation.facts import Origin
from sap_rl.evaluation.results import Evaluation
from sap_rl.evaluation.run import EvaluationRun, Event
from sap_rl.evaluation.settings import Settings
from sap_rl.play.arms import todays_name
from sap_rl.schema import documented, options_of
from sap_rl.training.harden.run import Hardening
from sap_rl.training.harden.settings import HardenSettings, asked

AGENT = "an Agent, or what `load_agent` takes: a name, file, hub:owner/name or module"


@documented(
    Settings,
    agent=AGENT,
    lam=f"{options_of(Settings)['lams'].line}",
    severity=options_of(Settings)["severities"].line,
    victims="whose gradient is used on the defended agent, of own, original, other [both]",
    other="the agent behind victim `other`, an Agent or what `load_agent` takes",
    progress="true for a bar and the means so far, or a function that is given every event [false]",
    **{name: option.line for name, option in options_of(Protocol).items()},
)
def evaluate(
    agent: Agent | str | Path | nn.Module | Any,
    game: str,
    *,
    lam: float | Sequence[float] = (),
    attack: str = Settings.attack,
    attack_options: dict[str, Any] | None = None,
    defense: str | None = Settings.defense,
    defense_options: dict[str, Any] | None = None,
    victims: tuple[str, ...] = Settings.victims,
    other: Agent | str | Path | nn.Module | Any = None,
    attack_backward: Backward | None = Settings.attack_backward,
    schedule: Schedule | str = Settings.schedule,
    corruption: str | None = Settings.corruption,
    severity: float | Sequence[float] = (),
    episodes: int = Settings.episodes,
    num_envs: int | None = Settings.num_envs,
    seed: int = Settings.seed,
    controls: bool = Settings.controls,
    precision: str = Settings.precision,
    max_frames: int | None = None,
    policy: Policy | None = None,
    epsilon: float | None = None,
    observation: Observation | None = None,
    frames: Frames | None = None,
    norm: Norm | None = None,
    grad_samples: int | None = None,
    policy_samples: int | None = None,
    protocol: Protocol | None = None,
    progress: bool | Callable[[Event], object] = False,
) -> Evaluation:
    """Play every arm and report returns, intervals, changes and flags.

    The rules of play (max_frames to policy_samples) win over those of `protocol`. Raises UsageError
    in one line for anything unusable.
    """
    said = {
        "max_frames": max_frames, "policy": policy, "epsilon": epsilon, "observation": observation,
        "frames": frames, "norm": norm, "grad_samples": grad_samples,
        "policy_samples": policy_samples,
    }  # fmt: skip
    rules: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    settings = Settings(
        game=canonical_game(game),
        lams=_floats(lam),
        attack=attack,
        attack_options=attack_options or {},
        defense=None if defense == "none" else defense,  # as the command line spells it
        defense_options=defense_options or {},
        victims=tuple(todays_name(victim) for victim in victims),
        attack_backward=attack_backward,
        schedule=parse_schedule(schedule) if isinstance(schedule, str) else schedule,
        corruption=corruption,
        severities=_floats(severity),
        episodes=episodes,
        num_envs=num_envs,
        seed=seed,
        controls=controls,
        precision=precision,
        protocol=replace(protocol or Protocol(), **rules),
    )
    origin = Origin(_ref(agent), other=_ref(other))
    game = settings.game
    lender = None if other is None else _agent(other, game)
    run = EvaluationRun(_agent(agent, game), settings, lender, origin=origin)
    with _watched(run, progress) as watch:
        for event in run.play():
            watch(event)
    return run.result()


@contextmanager
def _watched(
    run: EvaluationRun, progress: bool | Callable[[Event], object]
) -> Iterator[Callable[[Event], object]]:
    """What is told of every event while the block lasts."""
    if progress is True:
        from sap_rl.reporting.live.bars import ProgressBar  # they bring rich
        from sap_rl.reporting.tables.evaluation import console

        bar = ProgressBar(run.arms, run.settings.episodes, console(stderr=True))
        with bar:
            yield bar
    else:
        yield progress or (lambda _: None)


@documented(
    HardenSettings,
    agent=AGENT,
    game="the game it plays",
    folder="where checkpoints are kept, None keeps none",
    resume="go on from the folder's last checkpoint; a run that is complete gives its agent",
    seed=options_of(Settings)["seed"].line,
    settings="everything else, over which lam, minutes and updates win",
)
def harden(
    agent: Agent | str | Path | nn.Module,
    game: str,
    *,
    lam: float | None = None,
    minutes: float | None = None,
    updates: int | None = None,
    folder: Path | None = None,
    resume: bool = False,
    seed: int = 0,
    settings: HardenSettings | None = None,
) -> Agent:
    """The agent hardened against perturbations of `lam` pixels; the given one stays as it is.

    Raises UsageError in one line for an agent that cannot be hardened.
    """
    teacher = agent if isinstance(agent, Agent) else load_agent(agent, game=game)
    plan = replace(settings or HardenSettings(), **asked(lam=lam, minutes=minutes, updates=updates))
    hardening = Hardening(teacher, plan, folder, game=game, seed=seed, resume=resume)
    for _ in hardening.run():
        pass
    return hardening.agent()


@documented(
    CertifySettings,
    agent=AGENT,
    lam=options_of(CertifySettings)["lams"].line,
    progress="a function that is given every event, none by default",
)
def certify(
    agent: Agent | str | Path | nn.Module | Any,
    game: str,
    *,
    lam: float | Sequence[float] = CertifySettings.lams,
    frames: int = CertifySettings.frames,
    steps: int = CertifySettings.steps,
    radius: bool = CertifySettings.radius,
    looks: int = CertifySettings.looks,
    seed: int = CertifySettings.seed,
    progress: Callable[[FramesDone], object] | None = None,
) -> Certificate:
    """Say which actions of an agent's own play no change of the frames within lambda can alter.

    Linear bounds (CROWN), on frames of clean and of attacked play; what is not certified is
    attacked. For `agent.defend("noise-vote", vote="median")` bounds from `looks` noisy copies of
    each frame; lambda is the root mean square of all changes then. Raises UsageError in one line
    for an agent through which no bounds are known.
    """
    game = canonical_game(game)
    settings = CertifySettings(game, _floats(lam), frames, steps, radius, looks, seed)
    run = Certification(_agent(agent, game), settings)
    for event in run.run():
        if progress is not None:
            progress(event)
    return run.result()


def _floats(given: float | Sequence[float]) -> tuple[float, ...]:
    return (float(given),) if isinstance(given, int | float) else tuple(float(v) for v in given)


def _ref(given: object) -> str | None:
    return str(given) if isinstance(given, str | Path) else None


def _agent(given: Agent | Any, game: str) -> Agent:
    return given if isinstance(given, Agent) else load_agent(given, game=game)
