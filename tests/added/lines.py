"""The three lines."""

from sap_rl.attacks.names import ATTACK_NAMES
from sap_rl.defenses.names import DEFENSE_NAMES
from sap_rl.networks.loaders.names import LOADER_NAMES

ATTACK_NAMES["rings"] = "rings:RINGS"
DEFENSE_NAMES["bits"] = "bits:DEFENSE"
LOADER_NAMES["added"] = "added_format:FORMAT"
