"""Which attacks there are, and where each stands; read without loading any of them."""

from __future__ import annotations

ATTACK_NAMES: dict[str, str] = {
    "none": "sap_rl.attacks.none:NONE",
    "noise": "sap_rl.attacks.noise:NOISE",
    "uniform": "sap_rl.attacks.noise:UNIFORM",
    "fgsm": "sap_rl.attacks.pgd:FGSM",
    "pgd": "sap_rl.attacks.pgd:PGD",
    "apgd": "sap_rl.attacks.apgd:APGD",
    "square": "sap_rl.attacks.square:SQUARE",
    "spsa": "sap_rl.attacks.spsa:SPSA",
    "universal": "sap_rl.attacks.universal:UNIVERSAL",
}
"""Name -> "module:entry", an `AttackFactory`; in the order of tables and of an audit's suite."""

DEFAULT_ATTACK = "fgsm"
"""The paper's attack, which is used where nobody names another."""
