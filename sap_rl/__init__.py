"""Attack Atari agents' frames, defend their Q-networks post hoc, report what reward is left."""

import os
from importlib import import_module

# Before torch is loaded: its idle threads would spin on the cores that the emulators need. An
# evaluation on two cores gains 1.1 times, with one of them busy otherwise 1.6 times
# (benchmarks/thread_waiting.py). A short look around before they sleep spares small batches the
# price of waking them (benchmarks/sap_forward.py). Set OMP_WAIT_POLICY to choose otherwise.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

from typing import TYPE_CHECKING, Any

from sap_rl.registry import Registry

if TYPE_CHECKING:
    from sap_rl.agents import Agent, load_agent
    from sap_rl.api import certify, evaluate, harden
    from sap_rl.atari.env import make_atari
    from sap_rl.atari.protocol import Preprocess, Protocol
    from sap_rl.attacks import ATTACKS
    from sap_rl.attacks.adversary import Adversary, Attacked
    from sap_rl.attacks.threat import Threat, ThreatViolation
    from sap_rl.audit.settings import AuditSettings
    from sap_rl.certification.results import Certificate
    from sap_rl.certification.settings import CertifySettings
    from sap_rl.corruptions import CORRUPTIONS
    from sap_rl.corruptions.camera import Camera
    from sap_rl.corruptions.entry import CorruptionViolation
    from sap_rl.defenses import DEFENSES
    from sap_rl.defenses.sap import SAP, sap
    from sap_rl.errors import UsageError
    from sap_rl.evaluation.results import Evaluation
    from sap_rl.evaluation.settings import Settings
    from sap_rl.networks.loaders import LOADERS
    from sap_rl.training.dqn.settings import TrainSettings
    from sap_rl.training.harden.settings import HardenSettings
    from sap_rl.wrappers import (
        AdversarialObservation,
        AdversarialVectorObservation,
        CorruptedObservation,
        CorruptedVectorObservation,
    )

__version__ = "0.1.0"

__all__ = [
    "ATTACKS",
    "CORRUPTIONS",
    "DEFENSES",
    "LOADERS",
    "SAP",
    "AdversarialObservation",
    "AdversarialVectorObservation",
    "Adversary",
    "Agent",
    "Attacked",
    "AuditSettings",
    "Camera",
    "Certificate",
    "CertifySettings",
    "CorruptedObservation",
    "CorruptedVectorObservation",
    "CorruptionViolation",
    "Evaluation",
    "HardenSettings",
    "Preprocess",
    "Protocol",
    "Settings",
    "Threat",
    "ThreatViolation",
    "TrainSettings",
    "UsageError",
    "certify",
    "evaluate",
    "harden",
    "load_agent",
    "make_atari",
    "sap",
]

_PLACES: Registry[Any] = Registry(
    {
        "Agent": "sap_rl.agents:Agent",
        "load_agent": "sap_rl.agents:load_agent",
        "certify": "sap_rl.api:certify",
        "evaluate": "sap_rl.api:evaluate",
        "harden": "sap_rl.api:harden",
        "make_atari": "sap_rl.atari.env:make_atari",
        "Preprocess": "sap_rl.atari.protocol:Preprocess",
        "Protocol": "sap_rl.atari.protocol:Protocol",
        "ATTACKS": "sap_rl.attacks:ATTACKS",
        "CORRUPTIONS": "sap_rl.corruptions:CORRUPTIONS",
        "Camera": "sap_rl.corruptions.camera:Camera",
        "CorruptionViolation": "sap_rl.corruptions.entry:CorruptionViolation",
        "Adversary": "sap_rl.attacks.adversary:Adversary",
        "Attacked": "sap_rl.attacks.adversary:Attacked",
        "Threat": "sap_rl.attacks.threat:Threat",
        "ThreatViolation": "sap_rl.attacks.threat:ThreatViolation",
        "AuditSettings": "sap_rl.audit.settings:AuditSettings",
        "Certificate": "sap_rl.certification.results:Certificate",
        "CertifySettings": "sap_rl.certification.settings:CertifySettings",
        "DEFENSES": "sap_rl.defenses:DEFENSES",
        "SAP": "sap_rl.defenses.sap:SAP",
        "sap": "sap_rl.defenses.sap:sap",
        "UsageError": "sap_rl.errors:UsageError",
        "Evaluation": "sap_rl.evaluation.results:Evaluation",
        "Settings": "sap_rl.evaluation.settings:Settings",
        "LOADERS": "sap_rl.networks.loaders:LOADERS",
        "TrainSettings": "sap_rl.training.dqn.settings:TrainSettings",
        "HardenSettings": "sap_rl.training.harden.settings:HardenSettings",
        "AdversarialObservation": "sap_rl.wrappers:AdversarialObservation",
        "AdversarialVectorObservation": "sap_rl.wrappers:AdversarialVectorObservation",
        "CorruptedObservation": "sap_rl.wrappers:CorruptedObservation",
        "CorruptedVectorObservation": "sap_rl.wrappers:CorruptedVectorObservation",
    }
)
"""Public name -> where it stands: torch is loaded when a name is asked for that needs it."""


def __getattr__(name: str) -> Any:
    """A public name, or a module such as `sap_rl.wrappers`."""
    if name in _PLACES:
        return _PLACES[name]
    place = f"{__name__}.{name}"
    try:
        return import_module(place)
    except ModuleNotFoundError as error:
        if error.name != place:
            raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
