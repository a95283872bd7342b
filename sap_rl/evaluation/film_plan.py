"""The film that belongs to an evaluation that was played before."""

from __future__ import annotations

from dataclasses import fields, replace

from sap_rl.agents import Agent, load_agent
from sap_rl.errors import UsageError
from sap_rl.evaluation.assembly import settings_from_json
from sap_rl.evaluation.film_stage import FilmStage
from sap_rl.evaluation.results import Evaluation
from sap_rl.evaluation.settings import Settings


def agent_of(evaluation: Evaluation) -> Agent:
    """The agent that was evaluated; UsageError if it is gone or not the same any more."""
    config = evaluation.config
    agent = load_agent(config["agent"], game=config["game"])
    if agent.sha256 != config["agent_sha256"]:
        raise UsageError(f"agent '{config['agent']}' is not the one that was evaluated any more")
    return agent


def settings_of(evaluation: Evaluation) -> Settings:
    """The settings that an evaluation states."""
    names = {field.name for field in fields(Settings)}
    config = {key: value for key, value in evaluation.config.items() if key in names}
    protocol = {k: v for k, v in evaluation.protocol.items() if k != "preprocess"}
    return settings_from_json(config | {"protocol": protocol})


def film_of(evaluation: Evaluation, agent: Agent, steps: int) -> FilmStage:
    """The evaluation's first episode at its middle lambda, under the headline's victim.

    UsageError where it has no attacked arm, or only one whose victim is another agent.
    """
    settings = settings_of(evaluation)
    lams = sorted(lam for lam in settings.lams if lam > 0)
    if not lams:
        raise UsageError("nobody attacked in this evaluation")
    lam = lams[(len(lams) - 1) // 2]
    headline = [c.victim for c in evaluation.changes if c.lam == lam and c.headline]
    victims = [v for v in (*headline, *settings.victims) if v in ("self", "original")]
    if not victims and settings.defense is not None:
        raise UsageError("its attacker uses another agent's gradient, which is not recorded")
    victim = victims[0] if victims else "self"
    chosen = replace(settings, lams=(lam,), victims=(victim,), controls=False)  # type: ignore[arg-type]
    return FilmStage(agent, chosen, steps)
