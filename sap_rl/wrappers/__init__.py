"""Thin skins over `Adversary` for environments of all kinds."""

from sap_rl.wrappers.single import AdversarialObservation
from sap_rl.wrappers.vector import AdversarialVectorObservation

__all__ = ["AdversarialObservation", "AdversarialVectorObservation"]
