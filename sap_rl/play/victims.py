"""The attacker's own copy of a defended network."""

from __future__ import annotations

from dataclasses import replace

from sap_rl.agents import Agent
from sap_rl.defenses.activations import shared_copy
from sap_rl.defenses.defended import defended_parts
from sap_rl.defenses.names import Backward
from sap_rl.errors import unknown


def with_backward(agent: Agent, backward: Backward) -> Agent:
    """The agent with its defences' gradient in another mode; itself where none has modes.

    Shares every Parameter; the given agent keeps its own mode. `identity` is backward-pass
    differentiable approximation (Athalye et al. 2018, arXiv 1802.00420). UsageError for a mode
    that none of them has.
    """
    known = [mode for part in defended_parts(agent.module) for mode in part.backwards]
    if not known:
        return agent
    if backward not in known:
        raise unknown(f"backward mode of {agent.defense}", backward, dict.fromkeys(known))
    module = shared_copy(agent.module)
    for part in defended_parts(module):
        if backward in part.backwards:
            part.backward = backward
    return replace(agent, module=module)
