"""What Python users call: evaluate an agent, harden one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from sap_rl.agents import Agent, load_agent
from sap_rl.atari.games import canonical_game
from sap_rl.atari.protocol import Protocol
from sap_rl.attacks.schedule import Schedule, parse_schedule
from sap_rl.defenses.names import Backward
from sap_rl.evaluation.facts import Origin
from sap_rl.evaluation.results import Evaluation
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.evaluation.settings import Settings
from sap_rl.networks import Precision
from sap_rl.play.arms import Victim, todays_name
from sap_rl.schema import documented, options_of
from sap_rl.training.harden.run import Hardening
from sap_rl.training.harden.settings import HardenSettings, asked

AGENT = "an Agent, or what `load_agent` takes: a name, folder or file, or hub:owner/name"


@documented(
    Settings,
    agent=AGENT,
    lam=f"{options_of(Settings)['lams'].line}",
    victims="whose gradient is used on the defended agent, of own, original, other [both]",
    other="the agent behind victim `other`, an Agent or what `load_agent` takes",
)
def evaluate(
    agent: Agent | str,
    game: str,
    *,
    lam: float | Sequence[float],
    attack: str = Settings.attack,
    attack_options: dict[str, Any] | None = None,
    defense: str | None = Settings.defense,
    defense_options: dict[str, Any] | None = None,
    victims: tuple[Victim, ...] = Settings.victims,
    other: Agent | str | None = None,
    attack_backward: Backward | None = Settings.attack_backward,
    schedule: Schedule | str = Settings.schedule,
    episodes: int = Settings.episodes,
    num_envs: int | None = Settings.num_envs,
    seed: int = Settings.seed,
    controls: bool = Settings.controls,
    precision: Precision = Settings.precision,
    protocol: Protocol | None = None,
) -> Evaluation:
    """Play every arm and report returns, intervals, changes and flags.

    Raises UsageError in one line for anything unusable.
    """
    settings = Settings(
        game=canonical_game(game),
        lams=(float(lam),) if isinstance(lam, int | float) else tuple(float(v) for v in lam),
        attack=attack,
        attack_options=attack_options or {},
        defense=defense,
        defense_options=defense_options or {},
        victims=tuple(todays_name(victim) for victim in victims),
        attack_backward=attack_backward,
        schedule=parse_schedule(schedule) if isinstance(schedule, str) else schedule,
        episodes=episodes,
        num_envs=num_envs,
        seed=seed,
        controls=controls,
        precision=precision,
        protocol=protocol or Protocol(),
    )
    origin = Origin(_ref(agent), other=_ref(other))
    game = settings.game
    lender = None if other is None else _agent(other, game)
    run = EvaluationRun(_agent(agent, game), settings, lender, origin=origin)
    for _ in run.play():
        pass
    return run.result()


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


def _ref(given: Agent | str | None) -> str | None:
    return given if isinstance(given, str) else None


def _agent(given: Agent | str, game: str) -> Agent:
    return load_agent(given, game=game) if isinstance(given, str) else given
