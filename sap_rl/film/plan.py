"""The film that belongs to an evaluation that was played before."""

from __future__ import annotations

from dataclasses import replace

from sap_rl.agents import Agent, load_agent
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Evaluation
from sap_rl.film.games import FilmedGames


def agent_of(evaluation: Evaluation) -> Agent:
    """The agent that was evaluated; UsageError if it is gone or not the same any more."""
    facts = evaluation.agent
    ref, game = facts.origin.agent or facts.name, evaluation.settings.game
    agent = load_agent(ref, game=game, **facts.origin.loading)
    _check_same(agent, facts.name, facts.sha256)
    if agent.preprocess != facts.preprocess:
        raise UsageError(f"agent '{facts.name}' sees other frames than when it was evaluated")
    return agent


def lender_of(evaluation: Evaluation) -> Agent:
    """The agent that lent its gradient as victim `other`; UsageError as in `agent_of`, and where it
    was not recorded."""
    facts = evaluation.agent
    if facts.other is None:
        raise UsageError("its attacker uses another agent's gradient, which is not recorded")
    lender = load_agent(facts.origin.other or facts.other, game=evaluation.settings.game)
    _check_same(lender, facts.other, facts.other_sha256)
    return lender


def _check_same(agent: Agent, name: str, sha256: str | None) -> None:
    if agent.sha256 != sha256:
        raise UsageError(f"agent '{name}' is not the one that was evaluated any more")


def film_of(evaluation: Evaluation, agent: Agent, steps: int) -> FilmedGames:
    """The evaluation's first episode at its middle lambda, under the headline's victim.

    UsageError where it has no attacked arm, or one whose gradient's agent is gone, or where the
    agent that plays as `defended` is not the same any more.
    """
    settings = evaluation.settings
    levels = sorted(level for level in settings.levels if level > 0)
    if not levels:
        raise UsageError("nobody attacked in this evaluation")
    level = levels[(len(levels) - 1) // 2]
    if settings.corruption is not None:
        chosen = replace(settings, severities=(level,), controls=False)
        return _same_defended(FilmedGames(agent, chosen, steps), evaluation)
    headline = [c.victim for c in evaluation.changes if c.lam == level and c.headline]
    victim = (*headline, *settings.victims)[0] if settings.defense else "own"
    other = lender_of(evaluation) if victim == "other" else None
    chosen = replace(settings, lams=(level,), victims=(victim,), controls=False)  # type: ignore[arg-type]
    return _same_defended(FilmedGames(agent, chosen, steps, other=other), evaluation)


def _same_defended(filmed: FilmedGames, evaluation: Evaluation) -> FilmedGames:
    """The games, unless another agent's file plays as `defended` by now."""
    defended, before = filmed.players.defended, evaluation.agent.defended_sha256
    if defended is not None and before is not None and defended.sha256 != before:
        defense = evaluation.settings.defense
        raise UsageError(f"'{defense}' is not the one that was evaluated any more")
    return filmed
