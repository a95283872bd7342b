"""The attacker's own copy of a defended network."""

from __future__ import annotations

from dataclasses import replace

from sap_rl.agents import Agent
from sap_rl.defenses.activations import shared_copy
from sap_rl.defenses.sap import SAP, Backward


def with_backward(agent: Agent, backward: Backward) -> Agent:
    """The agent with SAP's gradient in another mode; itself where nothing in it is SAP.

    Shares every Parameter; the given agent keeps its own mode. `identity` is backward-pass
    differentiable approximation (Athalye et al. 2018, arXiv 1802.00420).
    """
    if not any(isinstance(part, SAP) for part in agent.module.modules()):
        return agent
    module = shared_copy(agent.module)
    for part in module.modules():
        if isinstance(part, SAP):
            part.backward = backward
    return replace(agent, module=module)
