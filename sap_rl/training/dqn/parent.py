"""A training that goes on from an agent: what is taken of it, and what its card states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from sap_rl.agents import Agent
from sap_rl.atari.protocol import Preprocess
from sap_rl.errors import UsageError
from sap_rl.training.checkpoint import Progress
from sap_rl.training.dqn.learner import Learner
from sap_rl.training.dqn.settings import TrainSettings

UNKNOWN = "unknown"
"""A parent's steps where its card does not state them: it was imported, or hardened."""


def check_parent(agent: Agent, game: str) -> None:
    """Refuse to train on from an agent of another game, or of one that it sees otherwise."""
    if agent.game not in (None, game):
        raise UsageError(f"agent '{agent.name}' plays {agent.game}, not {game}")
    # Sticky actions are the training's own to set.
    sees, seen = asdict(replace(agent.preprocess, sticky_actions=0.0)), asdict(Preprocess())
    for name, value in sees.items():
        if value != seen[name]:
            raise UsageError(
                f"agent '{agent.name}' sees {name}={value}, training {name}={seen[name]}: "
                "training cannot go on from it"
            )


def begin_from_agent(learner: Learner, agent: Agent, settings: TrainSettings) -> Progress:
    """Take weights and target from an agent that `check_parent` lets pass, with a fresh optimiser.

    Epsilon is at its final value, the learning rate rises over `restart_lr_updates`, and steps and
    updates count on from what the agent's card states.
    """
    weights = {name: value.float() for name, value in agent.module.state_dict().items()}
    wanted = {name: value.shape for name, value in learner.network.state_dict().items()}
    if {name: value.shape for name, value in weights.items()} != wanted:
        raise UsageError(
            f"agent '{agent.name}' is not a {settings.network} network with this game's actions: "
            "training cannot go on from it"
        )
    learner.load_parts({"weights": weights})
    steps, updates, minutes = (
        stated_number(agent.facts, name) or 0 for name in ("agent_steps", "updates", "minutes")
    )
    learner.updates = learner.lr_origin = int(updates)
    return Progress(
        steps=int(steps),
        updates=int(updates),
        seconds=60.0 * minutes,
        warmup=min(settings.restart_warmup_steps, settings.replay_frames // 2),
        explored=True,
        lr_origin=int(updates),
    )


def parent_facts(agent: Agent) -> dict[str, Any]:
    """Name, sha256, agent steps in all and licence of a run's parent; None for what is unknown."""
    licence = stated_table(agent.facts, "licence").get("weights")
    steps = stated_number(agent.facts, "agent_steps")
    whole = (
        steps is not None and stated_table(agent.facts, "training").get("parent_steps") != UNKNOWN
    )
    return {
        "name": agent.name,
        "sha256": agent.sha256,
        "agent_steps": int(steps or 0) if whole else None,
        "licence": licence if isinstance(licence, str) else None,
    }


def stated_number(facts: Mapping[str, Any], name: str) -> float | None:
    """A count or time from the table [training] of an agent's card; None where it states none."""
    number = number_in(stated_table(facts, "training"), name)
    return number if number is not None and 0 <= number < 2**63 else None


def number_in(table: Mapping[str, Any], name: str) -> float | None:
    """A number of a card's table, no larger than 64 bits; None where it states none."""
    number = table.get(name)
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    return number if -(2**63) < number < 2**63 else None


def stated_table(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A table of an agent's card; an empty one where it states none."""
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}
