"""How an agent chooses among its scores: by its own custom, unless the rules say otherwise."""

from __future__ import annotations

from dataclasses import replace

from sap_rl.agents import Agent
from sap_rl.atari.protocol import Protocol
from sap_rl.errors import UsageError
from sap_rl.schema import Unsaid


def settled(protocol: Protocol, agent: Agent) -> Protocol:
    """The rules with the agent's custom in the place of what they leave open.

    An actor samples, without random actions besides: so it was trained, and so its authors score
    it. A Q-network is greedy, and its rules do not say so. UsageError for actions that are to be
    sampled by values, which are no distribution.
    """
    if agent.scores == "values" and protocol.policy == "sample":
        raise UsageError(
            f"policy sample needs an actor's logits, and agent '{agent.name}' gives action values; "
            "choose greedy"
        )
    unsaid = isinstance(protocol.epsilon, Unsaid)
    if agent.scores == "values":
        return replace(protocol, policy=None, epsilon=float(protocol.epsilon))
    epsilon = 0.0 if unsaid else protocol.epsilon
    return replace(protocol, policy=protocol.policy or "sample", epsilon=epsilon)
