"""The parts of the reference that are made of the code: what a page names in a comment
`<!-- generated: NAME WORD -->` is made by the function NAME below, as Markdown."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields as fields_of
from importlib import import_module
from pathlib import Path
from typing import Any

from sap_rl.attacks import ATTACKS
from sap_rl.cli import COMMANDS
from sap_rl.cli.parser import Parser
from sap_rl.corruptions import CORRUPTIONS
from sap_rl.defenses import DEFENSES
from sap_rl.schema import OptionField, options_of, spelled
from sap_rl.settings.shipped import shipped_configs

PLACE = re.compile(r"^<!-- generated: (\w+)(?: (\S+))? -->$", re.MULTILINE)


def filled(text: str) -> str:
    """A page with its generated parts."""
    return PLACE.sub(lambda found: globals()[found[1]](*filter(None, [found[2]])), text)


def commands() -> str:
    """A section per command of `sap-rl`, of what its parser says of itself."""
    parts = []
    for name, (add, text) in COMMANDS.items():
        parser = Parser(prog=f"sap-rl {name}")
        add(parser)
        parts += [f"## `sap-rl {name}`", f"{text[0].upper()}{text[1:]}.", *_command(parser)]
    return "\n\n".join(parts)


def _command(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Usage, example and the tables of a command, then its own commands."""
    if parser.description:
        yield escaped(parser.description)
    if parser.epilog:
        yield f"```sh\n{parser.epilog.removeprefix('example: ')}\n```"
    inner: dict[str, argparse.ArgumentParser] = {}
    for group in sorted(parser._action_groups, key=lambda group: group.title == "options"):
        rows = []
        for action in group._group_actions:
            if isinstance(action, argparse._SubParsersAction):
                inner |= action.choices
            elif not isinstance(action, argparse._HelpAction):
                said = parser._get_formatter()._expand_help(action) if action.help else ""
                rows.append((_called(action), said))
        if rows:
            titles = {"options": "other options", "positional arguments": "arguments"}
            title = group.title or ""
            yield table((titles.get(title, title), "what it is"), rows)
    for name, command in inner.items():
        yield f"### `{parser.prog} {name}`"
        yield from _command(command)


def _called(action: argparse.Action) -> str:
    """How an argument is written: `--lambda LAMBDA`, `RESULT ...`."""
    many = " ..." if action.nargs == "+" else ""
    meta = f"{action.metavar or action.dest.upper()}{many}"
    if not action.option_strings:
        return f"`{meta}`"
    flag = action.option_strings[-1]
    return f"`{flag}`" if action.nargs == 0 else f"`{flag} {meta}`"


def attacks() -> str:
    """A section per attack with its options."""
    return _entries(ATTACKS)


def corruptions() -> str:
    """A table of the corruptions: severity, what they act on, what their referees allow."""
    rows = [
        (
            f"`{name}`",
            f"{entry.severity.unit} {entry.severity.help}; {entry.severity.range}",
            entry.acts_on,
            " ".join((entry.apply.__doc__ or "").split("\n\n")[0].split()),
            entry.limit,
        )
        for name, entry in CORRUPTIONS.items()
    ]
    return table(
        ("corruption", "severity", "acts on", "what it does", "what its referee allows"), rows
    )


def defenses() -> str:
    """A section per defence with its options."""
    return _entries(DEFENSES)


def _entries(registry: Mapping[str, Any]) -> str:
    parts = []
    for name, entry in registry.items():
        first = (entry.make.__doc__ or "").split("\n\n")[0]
        parts += [f"### `{name}`", escaped(" ".join(first.split()))]
        parts.append(_options(entry.options.values()) if entry.options else "It has no options.")
    return "\n\n".join(parts)


def options(place: str) -> str:
    """The options of a settings class, `module:Class`."""
    return _options(options_of(found(place)).values())


def _options(declared: Any) -> str:
    rows = [(f"`{o.name}`", _default(o), o.unit, _meaning(o)) for o in declared]
    return table(("option", "default", "unit", "what it is"), rows)


def _default(option: OptionField) -> str:
    said = option.said.shown or spelled(option.default)
    return f"`{said}`" if said else ""


def _meaning(option: OptionField) -> str:
    return option.help + (f": {', '.join(option.choices)}" if option.choices else "")


def fields(place: str) -> str:
    """The fields of a dataclass, `module:Class`, with their types."""
    rows = [(f"`{field.name}`", f"`{field.type}`") for field in fields_of(found(place))]
    return table(("field", "type"), rows)


def constant(place: str) -> str:
    """A text of the code, `module:NAME`, as a block; of several words a line each."""
    value = found(place)
    said = value.strip() if isinstance(value, str) else "\n".join(value)
    return f"```text\n{said}\n```"


def configs() -> str:
    """A section per shipped configuration."""
    return "\n\n".join(
        f"## `{name}`\n\n```yaml\n{file.read_text(encoding='utf-8').strip()}\n```"
        for name, file in sorted(shipped_configs().items())
    )


def card(name: str) -> str:
    """The card of a shipped agent."""
    text = (Path(__file__).parents[1] / "agents" / name / "agent.toml").read_text(encoding="utf-8")
    return f"```toml\n{text.strip()}\n```"


def found(place: str) -> Any:
    """What stands at `module:name`."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(map(escaped, line))} |" for line in lines)


def escaped(text: str) -> str:
    """Words that Markdown would take for something else, as they are; code stays code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part.replace("|", r"\|") if n % 2 else re.sub(r"([*_<|\[\]])", r"\\\1", part)
        for n, part in enumerate(parts)
    )
