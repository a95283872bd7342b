"""The film that belongs to an evaluation that was played before."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Literal

from sap_rl.agents import Agent, load_agent
from sap_rl.atari.preprocess import Preprocess, preprocess_entries
from sap_rl.errors import UsageError
from sap_rl.evaluation.assembly import settings_from_json
from sap_rl.evaluation.results import Evaluation
from sap_rl.evaluation.settings import Settings
from sap_rl.film.games import FilmedGames


def agent_of(evaluation: Evaluation, role: Literal["agent", "other"] = "agent") -> Agent:
    """The agent that was evaluated, or that lent its gradient as victim `other`; UsageError if it
    is gone or not the same any more."""
    config = evaluation.config
    name = config.get(role)
    if name is None:
        raise UsageError("its attacker uses another agent's gradient, which is not recorded")
    loading = config.get("agent_loading") if role == "agent" else None
    agent = load_agent(config.get(f"{role}_ref") or name, game=config["game"], **(loading or {}))
    if agent.sha256 != config[f"{role}_sha256"]:
        raise UsageError(f"agent '{name}' is not the one that was evaluated any more")
    seen = Preprocess(**preprocess_entries(evaluation.protocol["preprocess"]))
    if role == "agent" and agent.preprocess != seen:
        raise UsageError(f"agent '{name}' sees other frames than when it was evaluated")
    return agent


def settings_of(evaluation: Evaluation) -> Settings:
    """The settings that an evaluation states."""
    names = {field.name for field in fields(Settings)}
    config = {key: value for key, value in evaluation.config.items() if key in names}
    protocol = {k: v for k, v in evaluation.protocol.items() if k != "preprocess"}
    return settings_from_json(config | {"protocol": protocol})


def film_of(evaluation: Evaluation, agent: Agent, steps: int) -> FilmedGames:
    """The evaluation's first episode at its middle lambda, under the headline's victim.

    UsageError where it has no attacked arm, or one whose gradient's agent is gone, or where the
    agent that plays as `defended` is not the same any more.
    """
    settings = settings_of(evaluation)
    lams = sorted(lam for lam in settings.lams if lam > 0)
    if not lams:
        raise UsageError("nobody attacked in this evaluation")
    lam = lams[(len(lams) - 1) // 2]
    headline = [c.victim for c in evaluation.changes if c.lam == lam and c.headline]
    victim = (*headline, *settings.victims)[0] if settings.defense else "self"
    other = agent_of(evaluation, "other") if victim == "other" else None
    chosen = replace(settings, lams=(lam,), victims=(victim,), controls=False)  # type: ignore[arg-type]
    filmed = FilmedGames(agent, chosen, steps, other=other)
    defended, before = filmed.players.defended, evaluation.config.get("defended_sha256")
    if defended is not None and before is not None and defended.sha256 != before:
        raise UsageError(f"'{settings.defense}' is not the one that was evaluated any more")
    return filmed
