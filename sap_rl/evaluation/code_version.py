"""Which code made a result: the versions of the core and of the entries that took part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from sap_rl.agents import Agent
from sap_rl.attacks import ATTACKS
from sap_rl.corruptions import CORRUPTIONS
from sap_rl.defenses import DEFENSES
from sap_rl.networks.loaders import LOADERS
from sap_rl.play.arms import in_first_names
from sap_rl.versions import CORE_VERSION, Versioned

REGISTRIES: dict[str, Mapping[str, Versioned]] = {
    "attack": ATTACKS,
    "corruption": CORRUPTIONS,
    "defense": DEFENSES,
    "loader": LOADERS,
}
PLAYED_BEFORE = "2fe68044e73eec53"
AUDITED_BEFORE = "f6821db7c793a087"
"""Fingerprints of the sources that stood in the place of versions while all of these were 1: of a
sweep's cells and evaluations, and of an audit's cells. Keys still spell version 1 like this."""


def code_version(
    agents: Iterable[Agent | None] = (),
    *,
    attacks: Iterable[str] = (),
    defenses: Iterable[str] = (),
    corruptions: Iterable[str] = (),
) -> str:
    """`core 1, loader native 1, defense sap 1, attack fgsm 1`: those that take part.

    agents: with their defences and the formats of their files; defenses: others, as spelled.
    """
    found = [agent for agent in agents if agent is not None]
    formats = [agent.format for agent in found if agent.format]
    defended = [agent.defense for agent in found if agent.defense]
    parts = _taking_part(formats, [*defended, *defenses], attacks)
    return _spelled([*parts, *(f"corruption {name}" for name in corruptions)])


def joined(codes: Iterable[str]) -> str:
    """The code versions of several results as one text, each entry once."""
    return ", ".join(dict.fromkeys(part for code in codes for part in code.split(", ")))


def of_today(code: str) -> str:
    """The same entries with the versions that this code has."""
    return _spelled(part.rpartition(" ")[0] for part in code.split(", "))


def told(code: str | None) -> str | None:
    """The code version for people to read, marked `(old)` where it is not this code's."""
    return code if code is None or code == of_today(code) else f"{code} (old)"


def keyed(facts: Mapping[str, Any], before: str = PLAYED_BEFORE) -> dict[str, Any]:
    """A cell's facts as its key holds them, so that version 1 finds what was made before."""
    first = all(part.endswith(" 1") for part in facts["code"].split(", "))
    found: dict[str, Any] = in_first_names(dict(facts))
    return found | {"code": before} if first else found


def in_versions(
    made: Mapping[str, Any], attack: str | None = None, defense: str | None = None
) -> dict[str, Any]:
    """A manifest with versions in the place of the fingerprint that stands for version 1.

    attack, defense: as its settings name them; nobody wrote down the loader.
    """
    if made.get("code") != PLAYED_BEFORE:
        return dict(made)
    parts = _taking_part([], [defense] if defense else [], [attack] if attack else [])
    return {**made, "code": ", ".join(f"{part} 1" for part in parts)}


def _taking_part(
    formats: Iterable[str], defenses: Iterable[str], attacks: Iterable[str]
) -> Iterator[str]:
    """The core, formats, defences and attacks that take part, named by kind.

    defenses: as spelled, `sap-100`, `sap-100+q-noise-1` or `agent:NAME+sap-100`.
    """
    yield "core"
    yield from (f"loader {name}" for name in formats)
    for part in "+".join(defenses).split("+"):
        fitting = (name for name in DEFENSES if f"{part}-".startswith(f"{name}-"))
        yield from (f"defense {name}" for name in islice(fitting, 1))
    yield from (f"attack {name}" for name in attacks)


def _spelled(parts: Iterable[str]) -> str:
    return ", ".join(f"{part} {_version(part)}" for part in dict.fromkeys(parts))


def _version(part: str) -> int:
    """The version that this code has of an entry, 0 where it has none."""
    if part == "core":
        return CORE_VERSION
    kind, _, name = part.partition(" ")
    entries = REGISTRIES.get(kind, {})
    return entries[name].version if name in entries else 0
