"""Options of evaluations and audits by key, assembled from what each room declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from sap_rl.atari.preprocess import parse_preprocess, preprocess_entries
from sap_rl.atari.protocol import Protocol
from sap_rl.attacks import ATTACKS
from sap_rl.audit.settings import AuditSettings
from sap_rl.defenses import DEFENSES
from sap_rl.defenses.names import DEFAULT_DEFENSE
from sap_rl.errors import UsageError
from sap_rl.evaluation.settings import Settings
from sap_rl.files import MAX_CONFIG, read_file
from sap_rl.networks.loaders import LOADERS
from sap_rl.registry import Registry
from sap_rl.schema import (
    READERS,
    Option,
    OptionField,
    keyed,
    read_options,
    spelled,
    text,
    underscored,
)
from sap_rl.settings.shipped import find_config
from sap_rl.texts import read_yaml as read_yaml_text

if TYPE_CHECKING:  # both bring torch, which no option needs
    from sap_rl.attacks.factory import AttackFactory
    from sap_rl.defenses.defended import Defense

Options: TypeAlias = dict[str, OptionField]


def read_preprocess(value: Any) -> dict[str, Any]:
    """Entries of a Preprocess from a mapping or `key=value` words; UsageError names a wrong one."""
    if isinstance(value, Mapping):
        return preprocess_entries(value)
    return parse_preprocess([value] if isinstance(value, str) else [text(part) for part in value])


@dataclass(frozen=True)
class Loading:
    """Options that say who plays, and what an agent's file leaves open."""

    agent: Annotated[
        str | None,
        Option("an agent's name, folder or file, or hub:owner/name", shown="the game's own"),
    ] = None
    format: Annotated[
        str | None,
        Option(
            "whose checkpoint the file is",
            choices=tuple(LOADERS),
            shown="recognised by its tensors",
        ),
    ] = None
    preprocess: Annotated[
        dict[str, Any] | None,
        Option(
            "key=value, what a file does not say of its frames (sap-rl agents show)",
            read=read_preprocess,
        ),
    ] = None
    entry: Annotated[
        str | None, Option("of the file, that holds the network", shown="the only one")
    ] = None


@dataclass(frozen=True)
class Machine:
    """Options that say where the work is computed."""

    device: Annotated[str, Option("where networks compute, e.g. cpu or cuda")] = "cpu"
    threads: Annotated[
        int | None, Option("threads of torch and of the emulators", shown="torch's")
    ] = None


def declared_options(
    entries: Registry[AttackFactory] | Registry[Defense], leave: Iterable[str | None]
) -> Options:
    """The options that entries of a registry declare and a word can say, but those to `leave`.

    Each has the help of the first entry that takes it, and every entry's default.
    """
    found: dict[str, OptionField] = {}
    defaults: dict[str, dict[str, list[str]]] = {}
    for name, entry in entries.items():
        for key, option in entry.options.items():
            if option.type in READERS and key not in leave:
                found.setdefault(key, option)
                of_key = defaults.setdefault(key, {})
                of_key.setdefault(spelled(option.default) or "computed", []).append(name)
    return {
        key: replace(option, said=replace(option.said, shown=_by_entry(defaults[key])))
        for key, option in found.items()
    }


def _by_entry(defaults: Mapping[str, list[str]]) -> str:
    """Which entries take an option, by their defaults: `10 for pgd, apgd; 100 for square`."""
    return "; ".join(f"{default} for {', '.join(names)}" for default, names in defaults.items())


PROTOCOL = keyed(Protocol)

COMMAND_DEFAULTS = {"defense": DEFAULT_DEFENSE}
"""What a command line or YAML means where it is silent and Python means something else: there an
agent may come with its defence already."""

MEASURED = ("episodes", "num_envs", "controls")
"""Options of an evaluation that say how many games are played: a film shows two."""


def _question() -> Options:
    """An evaluation's own options, with the defaults that the command line has for them."""
    own = keyed(Settings)
    return own | {k: replace(own[k], default=default) for k, default in COMMAND_DEFAULTS.items()}


EVAL_GROUPS: dict[str, Options] = {
    "the question": _question(),
    "who plays": keyed(Loading),
    "rules of play": PROTOCOL,
    "where it is computed": keyed(Machine),
}
"""Options of an evaluation as `--help` shows them; attacks and defences have their own besides."""

FILM_GROUPS: dict[str, Options] = {
    title: {key: option for key, option in group.items() if key not in MEASURED}
    for title, group in EVAL_GROUPS.items()
}

AUDIT_RULES = ("max_frames", "policy")
"""Rules of play that an audit may be told."""

AUDIT_GROUPS: dict[str, Options] = {
    "the audit": keyed(AuditSettings),
    "rules of play": keyed(Protocol, only=AUDIT_RULES),
}


@cache
def attack_group() -> Options:
    """What attacks take besides an evaluation's own options; loads every attack."""
    return declared_options(ATTACKS, PROTOCOL)


@cache
def defense_group() -> Options:
    """What defences take besides their strength; loads every defence."""
    return declared_options(DEFENSES, [entry.strength for entry in DEFENSES.values()])


@cache
def eval_options() -> Options:
    """All options of an evaluation by key."""
    return _merged(EVAL_GROUPS) | attack_group() | defense_group()


@cache
def audit_options() -> Options:
    """All options of an audit by key."""
    return _merged(AUDIT_GROUPS) | defense_group()


def _merged(groups: Mapping[str, Options]) -> Options:
    return {key: option for group in groups.values() for key, option in group.items()}


def read_yaml(path: Path) -> dict[str, Any]:
    """An experiment's file as a mapping of options; UsageError if it is not one.

    path: of a file, or the name of a shipped one, see `find_config`.
    """
    place = find_config(path)
    try:
        loaded = read_yaml_text(read_file(place, MAX_CONFIG))
    except UsageError as error:
        raise UsageError(f"config '{path}' cannot be read: {error}") from error
    if not isinstance(loaded, dict):
        raise UsageError(f"config '{path}' must be a mapping of options, got {loaded!r:.60}")
    return underscored(loaded)


def read_option(name: str, value: Any) -> Any:
    """The value of one of an evaluation's options; UsageError names the option and the value."""
    return read_options({name: value}, eval_options())[name]


def read_whole(name: str, value: Any) -> int:
    """A whole number that is no option of an experiment; UsageError names it and the value."""
    found: int = OptionField(name, int, None, "").parse(value)
    return found


def read_number(name: str, value: Any) -> float:
    """A number that is no option of an experiment; UsageError names it and the value."""
    found: float = OptionField(name, float, None, "").parse(value)
    return found
