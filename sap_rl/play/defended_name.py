"""How the player called `defended` is spelled; loads no torch."""

from __future__ import annotations

from sap_rl.defenses import parse_defense
from sap_rl.errors import UsageError

ANOTHER = "agent:"
"""What stands before the name of an agent that plays instead of the original, such as a hardened
one; a defence may follow the name: `agent:BankHeist-hardened+sap-100`."""


def parse_defended_player(text: str) -> tuple[str | None, str | None]:
    """Name of the other agent and spelling of the defence, None for what is not there.

    UsageError for an unknown defence or a missing name.
    """
    if not text.startswith(ANOTHER):
        parse_defense(text)
        return None, text
    name, plus, defense = text.removeprefix(ANOTHER).partition("+")
    if not name or (plus and not defense):
        raise UsageError(f"defense '{text}': write {ANOTHER}NAME or {ANOTHER}NAME+sap-100")
    if defense:
        parse_defense(defense)
    return name, defense or None


def defended_name(text: str, game: str) -> str:
    """A short name for tables of one game: `agent:agents/BankHeist-hardened` is `hardened`."""
    if not text.startswith(ANOTHER):
        return text
    return text.removeprefix(ANOTHER).rpartition("/")[2].removeprefix(f"{game}-")
