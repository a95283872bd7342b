"""Which attacks there are, and where each stands; read without loading any of them."""

from __future__ import annotations

import re

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

HASH_LENGTH = 12
OUTSIDE = re.compile(rf"[\w.-]+\.py:\w+@[0-9a-f]{{{HASH_LENGTH}}}")

DEFAULT_ATTACK = "fgsm"
"""The paper's attack, which is used where nobody names another."""


def is_outside(name: str) -> bool:
    """Whether this is how an outsider's attack is called, `FILE.py:NAME@HASH`: loaded or not."""
    return OUTSIDE.fullmatch(name) is not None
