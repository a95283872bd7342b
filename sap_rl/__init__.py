"""Attack Atari agents' frames, defend their Q-networks post hoc, report what reward is left."""

import os

# Before torch is loaded: its idle threads would spin on the cores that the emulators need. An
# evaluation on two cores gains 1.1 times, with one of them busy otherwise 1.6 times
# (benchmarks/thread_waiting.py). A short look around before they sleep spares small batches the
# price of waking them (benchmarks/sap_forward.py). Set OMP_WAIT_POLICY to choose otherwise.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

from sap_rl.agents import Agent, load_agent
from sap_rl.api import evaluate, harden
from sap_rl.atari.env import make_atari
from sap_rl.atari.protocol import Preprocess, Protocol
from sap_rl.attacks import ATTACKS
from sap_rl.attacks.adversary import Adversary, Attacked
from sap_rl.attacks.threat import Threat, ThreatViolation
from sap_rl.audit.settings import AuditSettings
from sap_rl.defenses import DEFENSES
from sap_rl.defenses.sap import SAP, sap
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Evaluation
from sap_rl.evaluation.settings import Settings
from sap_rl.networks.loaders import LOADERS
from sap_rl.training.dqn.settings import TrainSettings
from sap_rl.training.harden.settings import HardenSettings
from sap_rl.wrappers import AdversarialObservation, AdversarialVectorObservation

__version__ = "0.1.0"

__all__ = [
    "ATTACKS",
    "DEFENSES",
    "LOADERS",
    "SAP",
    "AdversarialObservation",
    "AdversarialVectorObservation",
    "Adversary",
    "Agent",
    "Attacked",
    "AuditSettings",
    "Evaluation",
    "HardenSettings",
    "Preprocess",
    "Protocol",
    "Settings",
    "Threat",
    "ThreatViolation",
    "TrainSettings",
    "UsageError",
    "evaluate",
    "harden",
    "load_agent",
    "make_atari",
    "sap",
]
