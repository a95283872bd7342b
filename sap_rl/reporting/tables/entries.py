"""The entries of registries and their options, for the terminal."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sap_rl.attacks.factory import AttackFactory
from sap_rl.corruptions.entry import Corruption
from sap_rl.defenses.defended import Defense
from sap_rl.reporting.tables.evaluation import plain_table
from sap_rl.schema import OptionField


def attacks_table(attacks: Mapping[str, AttackFactory]) -> RenderableType:
    """Every attack with what it asks of its victim and what it is."""
    left = ("attack", "asks for", "what it is")
    table = plain_table(*left, left=left)
    for name, entry in attacks.items():
        more = {"frames": entry.needs_frames, "emulator": entry.needs_emulator}
        asks = [entry.needs, *(what for what, needed in more.items() if needed)]
        table.add_row(name, ", ".join(asks), _what(entry.make))
    return table


def corruptions_table(corruptions: Mapping[str, Corruption]) -> RenderableType:
    """Every corruption with the unit of its severity and what it is."""
    left = ("corruption", "severity", "acts on", "what it is")
    table = plain_table(*left, left=left)
    for name, entry in corruptions.items():
        table.add_row(name, entry.severity.unit, entry.acts_on, _what(entry.apply))
    return table


def corruption_table(name: str, entry: Corruption) -> RenderableType:
    """What a corruption is, its severity, and what its referee allows."""
    severity = entry.severity
    suite = ", ".join(f"{value:g}" for value in severity.suite)
    facts = {
        "severity": f"{severity.unit} {severity.help}; {severity.range}",
        "acts on": f"the {entry.acts_on}",
        "random": "yes, by draws that follow from (seed, episode)" if entry.random else "no",
        "in audits": suite,
        "at most": entry.limit,
    }
    table = plain_table("", " ", left=("", " "))
    for what, said in facts.items():
        table.add_row(what, said)
    return Group(Text(f"{name}: {_what(entry.apply)}"), table)


def defenses_table(defenses: Mapping[str, Defense]) -> RenderableType:
    """Every defence as it is spelled, with its traits and what it is."""
    left = ("defence", "acts on", "random", "backward", "what it is")
    table = plain_table(*left, left=left)
    for name, entry in defenses.items():
        table.add_row(
            name if entry.strength is None else f"{name}-{entry.strength.upper()}",
            entry.kind.acts_on,
            "yes" if entry.kind.stochastic else "no",
            ", ".join(entry.kind.backwards) or "-",
            _what(entry.make),
        )
    return table


def options_table(
    name: str, factory: Callable[..., Any], options: Mapping[str, OptionField]
) -> RenderableType:
    """What an entry is, and each of its options."""
    head = Text(f"{name}: {_what(factory)}")
    if not options:
        return Group(head, Text("It has no options."))
    left = ("option", "default", "unit", "what it is")
    table = plain_table(*left, left=left)
    for option in options.values():
        default = "" if option.default is inspect.Parameter.empty else str(option.default)
        choices = f": {', '.join(option.choices)}" if option.choices else ""
        table.add_row(option.name, default, option.unit, f"{option.help}{choices}")
    return Group(head, table)


def _what(factory: Callable[..., Any]) -> str:
    """The first sentence of what a factory says of itself."""
    first, _, _ = (inspect.getdoc(factory) or "").partition("\n\n")
    return " ".join(first.split())
