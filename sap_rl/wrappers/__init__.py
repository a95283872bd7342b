"""Wraps environments, single or vectorised, so that an `Adversary` tampers with their frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sap_rl.errors import UsageError
from sap_rl.wrappers.single import AdversarialObservation, CorruptedObservation
from sap_rl.wrappers.vector import AdversarialVectorObservation, CorruptedVectorObservation

if TYPE_CHECKING:
    from sap_rl.wrappers.sb3 import AdversarialVecEnv as AdversarialVecEnv
    from sap_rl.wrappers.sb3 import CorruptedVecEnv as CorruptedVecEnv

__all__ = [
    "AdversarialObservation",
    "AdversarialVectorObservation",
    "CorruptedObservation",
    "CorruptedVectorObservation",
]


def __getattr__(name: str) -> Any:
    """`AdversarialVecEnv` and `CorruptedVecEnv` are imported on use: they bring
    Stable-Baselines3."""
    if name not in ("AdversarialVecEnv", "CorruptedVecEnv"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from sap_rl.wrappers import sb3
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("stable_baselines3"):
            raise
        raise UsageError(f"{name} needs Stable-Baselines3: pip install 'sap-rl[sb3]'") from None
    return getattr(sb3, name)
