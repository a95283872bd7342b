"""JSON, TOML and YAML that anyone may have written, bounded before a value of it is built."""

from __future__ import annotations

import math
import re
import tomllib
from codecs import BOM_UTF8
from typing import Any

import msgspec
import numpy as np
import yaml

from sap_rl.errors import UsageError

DEEPEST = 48
"""Brackets inside brackets, or parts of a dotted name; no file of ours has more than six."""
MAX_NODES = 20_000
"""Values in a YAML file, those that an alias repeats counted again."""
MAX_WORD = 1_000
"""Characters of one value of YAML, of one number or bare name of TOML."""

_STRINGS = {
    "JSON": re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|$)', re.DOTALL),
    "TOML": re.compile(
        rb'"""(?:[^"\\]|\\.|"(?!""))*+(?:"""|$)'
        rb"|'''(?:[^']|'(?!''))*+(?:'''|$)"
        rb'|"(?:[^"\\\n]|\\.)*+(?:"|$|\n)'
        rb"|'[^'\n]*+(?:'|$|\n)"
        rb"|#[^\n]*+",
        re.DOTALL,
    ),
}
"""What stands in quotes or, in TOML, is a comment; unfinished ones go to the end."""
_NOT_STRUCTURE = bytes(set(range(256)) - set(b".,=[]{}\n"))


def read_json(text: str | bytes) -> Any:
    """The values of a JSON text; UsageError in one line for anything else, NaN among it."""
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    data = data.removeprefix(BOM_UTF8)
    _require_shallow(data, "JSON")
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:  # msgspec's and Unicode's errors are ValueErrors
        raise UsageError(error) from error


def read_toml(data: bytes) -> dict[str, Any]:
    """The tables of a TOML file; UsageError in one line for anything else."""
    _require_shallow(data, "TOML")
    try:
        return tomllib.loads(_decoded(data), parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise UsageError(error) from error


def read_yaml(data: bytes) -> Any:
    """The values of a YAML file with plain types alone; UsageError in one line for anything else.

    Aliases may be used, but not to make a small file large.
    """
    try:
        text = _decoded(data)
        _require_small(text)
        return yaml.load(text, _Once)
    except Exception as error:  # PyYAML lets AttributeError, KeyError and more through
        raise UsageError(" ".join(str(error).split()) or type(error).__name__) from error


def _finite(text: str) -> float:
    if not math.isfinite(found := float(text)):
        raise ValueError(f"{text} is no finite number")
    return found


def _decoded(data: bytes) -> str:
    """UTF-8 text, with or without the mark that some editors of Windows begin it with."""
    try:
        return data.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"it is no UTF-8 text (byte {error.start}): save it as UTF-8") from error


_YAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_OTHER_BASE = re.compile(r"[-+]?(?:0[0-9_bx]|[0-9_]+:)")


class _Once(_YAML):  # type: ignore[misc]
    """A loader that refuses what PyYAML reads as something else: the first of two equal keys, and
    numbers to other bases than ten (1:30 is 90 to it, 010 is 8)."""

    def construct_document(self, node: yaml.Node) -> Any:
        _require_plain(node)
        return super().construct_document(node)


def _require_plain(node: yaml.Node) -> None:
    parts = [node.value] if isinstance(node, yaml.ScalarNode) else list(node.value)
    if node.tag in _NUMBERS and _OTHER_BASE.match(str(node.value)):
        raise UsageError(
            f"{node.value} in line {node.start_mark.line + 1} is a number to another base in YAML: "
            "write it in tens, or in quotes"
        )
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):  # PyYAML refuses it
                continue
            name = (key.tag, key.value)
            if name in seen:
                line = key.start_mark.line + 1
                raise UsageError(f"its key '{key.value}' is said twice, again in line {line}")
            seen.add(name)
        parts = [part for pair in node.value for part in pair]
    for part in parts:
        if isinstance(part, yaml.Node):
            _require_plain(part)


def _require_shallow(data: bytes, kind: str) -> None:
    """Refuse what is nested so deeply that building it costs a stack, or the square of its size."""
    bare = _STRINGS[kind].sub(b"", data)
    structure = bare.translate(None, _NOT_STRUCTURE)
    if kind == "TOML":
        if b"." * DEEPEST in structure:
            raise UsageError(f"a name in it has more than {DEEPEST} parts")
        if max(map(len, re.findall(rb"\w+", bare)), default=0) > MAX_WORD:
            raise UsageError(f"a number or name in it has more than {MAX_WORD} characters")
    marks = np.frombuffer(structure, np.uint8)
    opened = np.isin(marks, list(b"[{")).astype(np.int8) - np.isin(marks, list(b"]}"))
    if len(marks) and opened.cumsum(dtype=np.int32).max() > DEEPEST:
        raise UsageError(f"it is nested more than {DEEPEST} deep")


def _require_small(text: str) -> None:
    """Refuse a YAML text whose values are deep, long, or many once aliases stand for what they
    name."""
    sizes: dict[str, int] = {}
    names: list[str] = []
    counts = [0]
    for event in yaml.parse(text, _YAML):
        if isinstance(event, yaml.AliasEvent):
            inside_itself = event.anchor in names
            counts[-1] += MAX_NODES if inside_itself else sizes.get(str(event.anchor), 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            names.append(event.anchor or "")
            counts.append(1)
        elif isinstance(event, yaml.CollectionEndEvent):
            size, name = counts.pop(), names.pop()
            counts[-1] += size
            sizes |= {name: size} if name else {}
        elif isinstance(event, yaml.ScalarEvent):
            if len(event.value) > MAX_WORD:
                raise UsageError(f"a value in it is longer than {MAX_WORD} characters")
            counts[-1] += 1
            sizes |= {event.anchor: 1} if event.anchor else {}
        if len(counts) > DEEPEST:
            raise UsageError(f"it is nested more than {DEEPEST} deep")
        if sum(counts) > MAX_NODES:
            raise UsageError(f"it has more than {MAX_NODES} values")
