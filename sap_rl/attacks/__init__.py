"""Attacks tamper with frames; `ATTACKS` maps a name to a factory of pure functions.

`ATTACKS["pgd"](steps=10, objective="margin")` gives an `Attack`: (q, obs, threat, *, generator,
label) -> obs. Options that an attack has no use for are not accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sap_rl.attacks.names import ATTACK_NAMES, is_outside
from sap_rl.errors import UsageError, unknown
from sap_rl.registry import Registry
from sap_rl.schema import OptionField

if TYPE_CHECKING:  # names and options are asked for where nothing is computed
    from sap_rl.attacks.factory import AttackFactory

ATTACKS: Registry[AttackFactory] = Registry(ATTACK_NAMES)
"""Name -> factory of an attack from its options, with its traits; loaded when asked for."""


def make_attack(name: str, **options: Any) -> Callable[..., Any]:
    """The attack of that name, as `types.Attack` says; UsageError for an unknown name or an option
    that it does not take."""
    taken = attack_options(name)
    for option in options:
        if option not in taken:
            known = ", ".join(sorted(taken)) or "none"
            raise UsageError(f"attack '{name}' has no option '{option}'; it takes: {known}")
    return ATTACKS[name](**options)


def require_norm(name: str, norm: str) -> None:
    """UsageError for an attack that does not know how to use up a threat of that norm."""
    if norm not in ATTACKS[name].norms:
        able = ", ".join(other for other, entry in ATTACKS.items() if norm in entry.norms)
        raise UsageError(f"attack '{name}' knows no norm {norm}; these do: {able}")


def attack_options(name: str) -> Mapping[str, OptionField]:
    """The options that the attack takes, by name; UsageError for an unknown attack."""
    if is_outside(name) and name not in ATTACKS:
        raise UsageError(
            f"attack '{name}' is an outsider's: it plays where --attack names its file"
        )
    if name not in ATTACKS:
        raise unknown("attack", name, ATTACKS)
    return ATTACKS[name].options
