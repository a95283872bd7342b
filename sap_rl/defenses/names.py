"""Which defences there are, where each stands, and the words they share; loads none of them."""

from __future__ import annotations

from typing import Literal

from sap_rl.errors import UsageError

DEFENSE_NAMES: dict[str, str] = {
    "sap": "sap_rl.defenses.sap:DEFENSE",
    "q-noise": "sap_rl.defenses.q_noise:DEFENSE",
    "jpeg": "sap_rl.defenses.jpeg:DEFENSE",
    "bit-depth": "sap_rl.defenses.bit_depth:DEFENSE",
    "median-blur": "sap_rl.defenses.median_blur:DEFENSE",
    "noise-vote": "sap_rl.defenses.noise_vote:DEFENSE",
    "dropout": "sap_rl.defenses.dropout:DEFENSE",
    "swp": "sap_rl.defenses.weight_pruning:DEFENSE",
}
"""Name -> "module:entry", a `Defense`."""

DEFAULT_DEFENSE = "sap-100"
"""The paper's defence, which is used where nobody names another."""

NOISE_CONTROL = "q-noise"
"""The noise control's defence, as strong as makes it flip as often as the defended agent."""

Backward = Literal["mask", "full", "identity"]
BACKWARDS: tuple[Backward, ...] = ("mask", "full", "identity")
"""How a defence's backward pass may differ from the gradient of what it does; see `sap`."""


def noise_level(spelled: str) -> float:
    """The standard deviation in the spelling of a noise control; UsageError for another defence."""
    try:
        return float(spelled.removeprefix(f"{NOISE_CONTROL}-"))
    except ValueError:
        raise UsageError(f"'{spelled:.60}' is no noise control, {NOISE_CONTROL}-X") from None
