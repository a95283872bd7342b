"""Of which agent a run is the continuation: what its checkpoints and its agent's card say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sap_rl.agents import Agent

LICENCE = {"weights": "MIT"}
"""Of an agent that was trained from nothing, or from one under it."""
UNKNOWN = "unknown"
"""A parent's steps where its card does not state them: it was imported, or hardened."""


def parent_facts(agent: Agent) -> dict[str, Any]:
    """Name, sha256, agent steps in all and licence of a run's parent; None for what is unknown."""
    licence = _table(agent.facts, "licence").get("weights")
    return {
        "name": agent.name,
        "sha256": agent.sha256,
        "agent_steps": stated_steps(agent.facts),
        "licence": licence if isinstance(licence, str) else None,
    }


def stated_steps(facts: Mapping[str, Any]) -> int | None:
    """All agent steps behind an agent, by its card; None where it does not know them all."""
    training = _table(facts, "training")
    steps = training.get("agent_steps")
    known = type(steps) is int and training.get("parent_steps") != UNKNOWN
    return steps if known else None


def stated_number(facts: Mapping[str, Any], name: str) -> float:
    """A count or time from the table [training] of an agent's card; 0 where it states none."""
    number = _table(facts, "training").get(name)
    if isinstance(number, bool) or not isinstance(number, int | float):
        return 0
    return number if 0 <= number < 2**63 else 0


def parent_entries(parent: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a card's table [training] says of the parent; nothing where there is none."""
    if parent is None:
        return {}
    steps = parent["agent_steps"]
    return {
        "parent": parent["name"],
        "parent_sha256": parent["sha256"] or "",
        "parent_steps": UNKNOWN if steps is None else steps,
    }


def licence_of(parent: Mapping[str, Any] | None) -> dict[str, str]:
    """The licence of what was trained on from a parent: its own, wherever that is not ours."""
    if parent is None or parent["licence"] == LICENCE["weights"]:
        return LICENCE
    theirs = parent["licence"]
    # "as the source says" means the parent's source, which only the parent's card names.
    named = theirs is not None and not theirs.startswith("as ")
    return {"weights": theirs if named else "as its parent's"}


def _table(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}
