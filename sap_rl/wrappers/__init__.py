"""Wraps environments, single or vectorised, so that an `Adversary` tampers with their frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sap_rl.errors import UsageError
from sap_rl.wrappers.single import AdversarialObservation
from sap_rl.wrappers.vector import AdversarialVectorObservation

if TYPE_CHECKING:
    from sap_rl.wrappers.sb3 import AdversarialVecEnv as AdversarialVecEnv

__all__ = ["AdversarialObservation", "AdversarialVectorObservation"]


def __getattr__(name: str) -> Any:
    """`AdversarialVecEnv` is imported on use: it brings Stable-Baselines3."""
    if name != "AdversarialVecEnv":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from sap_rl.wrappers.sb3 import AdversarialVecEnv
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("stable_baselines3"):
            raise
        raise UsageError(
            "AdversarialVecEnv needs Stable-Baselines3: pip install 'sap-rl[sb3]'"
        ) from None
    return AdversarialVecEnv
