"""Who plays as `defended`: the original behind a defence, or another agent in its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sap_rl.agents import Agent, load_agent
from sap_rl.atari.env import num_actions
from sap_rl.errors import UsageError
from sap_rl.play.defended_name import parse_defended_player


def defended_by(
    original: Agent, text: str, *, seed: int, precision: str, **options: Any
) -> tuple[Agent, Agent | None]:
    """The agent that plays as `defended`, in the original's place and world; and where that is
    another agent behind a defence, this one without it.

    text: as in `parse_defended_player`; precision: of the other agent's network; options: the
    defence's.
    """
    name, defense = parse_defended_player(text)
    if name is None:
        return original.defend(text, seed=seed, **options), None
    agent = load_agent(name, device=original.device, game=original.game)
    if agent.preprocess != original.preprocess:
        raise UsageError(
            f"agent '{agent.name}' sees other frames than '{original.name}': they cannot play the "
            "same games"
        )
    if agent.scores != original.scores:
        raise UsageError(
            f"agent '{agent.name}' gives {agent.scores}, '{original.name}' {original.scores}: they "
            "choose their actions by other rules and cannot play the same games"
        )
    agent = replace(agent.in_precision(precision), policy_samples=original.policy_samples)
    if defense is None:
        if options:
            raise UsageError(f"'{text}' has no defence that takes {', '.join(options)}")
        return replace(agent, defense=text), None
    return replace(agent.defend(defense, seed=seed, **options), defense=text), agent


def require_actions(agent: Agent, game: str, wanted: int) -> None:
    """UsageError for a network whose outputs are not the game's `wanted` actions."""
    found = agent.q_values(np.zeros((1, *agent.preprocess.shape), np.uint8)).shape[1]
    if found != wanted:
        raise UsageError(
            f"agent '{agent.name}' has {found} actions but {game} has {wanted}; "
            f"it was trained on another game or action set{_cure(agent, game, found)}"
        )


def _cure(agent: Agent, game: str, found: int) -> str:
    """The entry of the preprocessing that gives the game as many actions, if there is one."""
    sees = agent.preprocess
    every, own = replace(sees, full_action_space=True), replace(sees, full_action_space=False)
    if found == num_actions(game, every):
        return "; say full_action_space=true in preprocess (--preprocess full_action_space=true)"
    if found == num_actions(game, own):
        return "; say full_action_space=false in preprocess (--preprocess full_action_space=false)"
    if found < num_actions(game, replace(own, first_actions=0)):
        return f"; if its first ones, say first_actions={found} in preprocess (--preprocess ...)"
    return ""
