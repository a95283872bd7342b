"""Docstrings of this project as Sphinx wants them: what `name: meaning; other: meaning` says of
arguments and fields becomes a list."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

HEAD = r"(?:^|(?<=[;.] ))(\w+(?:, \w+)*(?: \[[^\]]*\])?): "


def listed(lines: Iterable[str], names: set[str]) -> list[str]:
    """Lines of a docstring with its arguments in a list.

    names: of arguments and fields; a word that is none of them begins no entry.
    """
    found = []
    for paragraph in re.split(r"\n\s*\n", plain("\n".join(lines))):
        lines_of = paragraph.split("\n")
        each = all(re.match(r" +\w+: ", line) for line in lines_of)
        parts = _parts(("; " if each else " ").join(map(str.strip, lines_of)), names)
        found += [*(parts or lines_of), ""]
    return found


def _parts(flat: str, names: set[str]) -> list[str]:
    """A paragraph as an introduction and list entries; nothing where it has no entry."""
    heads = [
        head
        for head in re.finditer(HEAD, flat)
        if set(re.sub(r" \[.*", "", head[1]).split(", ")) <= names
    ]
    if not heads:
        return []
    ends = [head.start() for head in heads[1:]] + [len(flat)]
    intro = flat[: heads[0].start()].strip()
    entries = [
        f"- **{head[1]}**: {flat[head.end() : end].strip().rstrip(';')}"
        for head, end in zip(heads, ends, strict=True)
    ]
    return [*([intro, ""] if intro else []), *entries]


def plain(text: str) -> str:
    """A text in which stars and bars mean nothing to Sphinx; code stays as it is."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if n % 2 else re.sub(r"([*|])", r"\\\1", p) for n, p in enumerate(parts))


def names_of(thing: Any) -> set[str]:
    """The arguments of a function, the fields and arguments of a class."""
    try:
        names = set(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        names = set()
    return names | set(getattr(thing, "__annotations__", {}))
