"""Which attacks there are, and where each stands; read without loading any of them."""

from __future__ import annotations

import re

LOOKAHEAD = "lookahead"

ATTACK_NAMES: dict[str, str] = {
    "none": "sap_rl.attacks.noise:NONE",
    "noise": "sap_rl.attacks.noise:NOISE",
    "uniform": "sap_rl.attacks.noise:UNIFORM",
    "fgsm": "sap_rl.attacks.pgd:FGSM",
    "pgd": "sap_rl.attacks.pgd:PGD",
    "apgd": "sap_rl.attacks.apgd:APGD",
    "square": "sap_rl.attacks.square:SQUARE",
    "spsa": "sap_rl.attacks.spsa:SPSA",
    "universal": "sap_rl.attacks.universal:UNIVERSAL",
    LOOKAHEAD: "sap_rl.attacks.lookahead:LOOKAHEAD",
}
"""Name -> "module:entry", an `AttackFactory`; in the order of tables and of an audit's suite."""

HASH_LENGTH = 12
OUTSIDE = re.compile(rf"([\w.-]+\.py:\w+|learned:[\w.-]+)@[0-9a-f]{{{HASH_LENGTH}}}")

DEFAULT_ATTACK = "fgsm"
"""The paper's attack, which is used where nobody names another."""


def may_abstain(name: str) -> bool:
    """Whether the attack leaves some frames as they are on purpose."""
    return name == LOOKAHEAD or name.startswith("learned:")


def is_outside(name: str) -> bool:
    """Whether this is how the attack of a file is called, `FILE.py:NAME@HASH` of an outsider,
    `learned:FILE@HASH` of one that was trained: loaded or not."""
    return OUTSIDE.fullmatch(name) is not None
