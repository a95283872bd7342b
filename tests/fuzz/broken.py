"""A trial, and strategies that break what is good: bytes and plain values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "tests" / "compat" / "files"


@dataclass(frozen=True)
class Trial:
    """A command and the files that it finds, in a folder of its own."""

    argv: list[str]
    files: dict[str, bytes] = field(default_factory=dict)


WORDS = st.text(max_size=12) | st.sampled_from(
    ["", "-1", "0", "1e999", "nan", "0x" + "f" * 40, "../..", "/dev/zero", "x" * 5000, "\x1b[2J",
     "\0", "a\nb", "\u202e", "\udcff", "{}", "[]", "None", "true", "BankHeist", "Pong", "sap-100"]
)  # fmt: skip
MARKUP = ["<script>", "$\\frac{", "&amp;", "[red]", "x" * 500]
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS
    | st.sampled_from([2**63, -(2**64), 10**400, 1e308])
)  # fmt: skip
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """A file with bytes changed, cut out, put in, doubled."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        much = draw(st.sampled_from([1, 2, 8, 60, 4000]))
        how = draw(st.sampled_from(["set", "cut", "insert", "double", "end"]))
        if how == "set" and data:
            data[place] = draw(st.integers(0, 255))
        elif how == "cut":
            del data[place : place + much]
        elif how == "insert":
            data[place:place] = draw(st.binary(max_size=8)) * draw(st.sampled_from([1, 3, 999]))
        elif how == "double":
            data[place:place] = data[place : place + much]
        else:
            del data[place:]
    return bytes(data)


@st.composite
def changed(draw: st.DrawFn, good: Any) -> Any:
    """A plain value in which a few parts, wherever they stand, are others or missing."""
    value = json.loads(json.dumps(good))
    for _ in range(draw(st.integers(1, 3))):
        at, holder = value, None
        while isinstance(at, dict | list) and at and (holder is None or draw(st.booleans())):
            keys = list(at) if isinstance(at, dict) else range(len(at))
            holder, key = at, draw(st.sampled_from(keys))
            at = at[key]
        if holder is not None and draw(st.integers(0, 4)):
            holder[key] = draw(PLAIN)
        elif holder is not None:
            del holder[key]
    return value


@st.composite
def exchanged(draw: st.DrawFn, good: Any) -> Any:
    """A plain value in which a few words are other words and a few numbers other numbers."""
    value = json.loads(json.dumps(good))
    found = list(_leaves(value))
    for holder, key in draw(st.lists(st.sampled_from(found), min_size=1, max_size=4)):
        if isinstance(holder[key], str):
            holder[key] = draw(WORDS | st.sampled_from(MARKUP))
        else:
            number = st.integers(-3, 99) | st.floats(allow_nan=False, allow_infinity=False)
            holder[key] = draw(number | st.sampled_from([0, 1e-300, -1e300, 1e300]))
    return value


def _leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    """Where in a plain value words and numbers stand: what holds each, and its key there."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(part, dict | list):
            yield from _leaves(part)
        elif part is not None and not isinstance(part, bool):
            yield value, key


def toml(value: dict[str, Any]) -> bytes:
    """The mapping as TOML, or something near it."""
    try:
        return tomli_w.dumps(value).encode()
    except (TypeError, ValueError):  # it has no null, and no text for some characters
        return repr(value).encode(errors="replace")
