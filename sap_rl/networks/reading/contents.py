"""What stands in a checkpoint: the one dict of tensors, and what is said of its frames."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

import numpy as np
from torch import Tensor

from sap_rl.atari.preprocess import CHOICES, Preprocess, preprocess_entries
from sap_rl.errors import UsageError
from sap_rl.networks.reading.pickles import Stub
from sap_rl.networks.reading.request import OPEN, Unclear
from sap_rl.pixels import PIXEL_MAX
from sap_rl.texts import read_json

FIRST = ("model_state_dict", "estimator_state", "state_dict")
"""Entries that hold the network whatever else is there, the first that is there."""
NO_NETWORK = re.compile(
    r"target|optim|sched|replay|buffer|(^|[._])(old|tgt|grad|momentum|rms|scaler)($|[._])",
    re.IGNORECASE,
)
"""Names of entries that are not the network that plays."""
STATISTICS = re.compile(r"(ob|obs|observation|state)s?_?(rms|norm|normalizer|mean|std|stats)")
"""Names of what standardises a network's frames before it sees them."""
STANDARDISED = Unclear(
    "statistics of its observations lie beside the weights: if frames were standardised by them, "
    "pass a module that does so in its forward; if not, say scale=unit or scale=pixels in "
    "preprocess (--preprocess scale=pixels)"
)
AVERAGED = re.compile(r"(^|[._])(ema|swa|averaged?|polyak)($|[._])", re.IGNORECASE)
"""Names of a network's running mean, which may be the one that plays."""
DEEPEST = 5
MOST = 200_000
"""How far into a checkpoint is looked: entries inside of entries, and how many there may be."""

Said = dict[str, Any]


def networks_in(loaded: Any) -> dict[str, dict[str, Tensor]]:
    """The dicts of tensors in a checkpoint by the names of the entries that lead there, "" for
    itself; those of a list or tuple are called 0, 1, ..."""
    everything = [("", loaded), *_entries(loaded, objects=False)]
    return {place: tensors for place, value in everything if (tensors := _tensors_of(value))}


def playing(found: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """Those that may be the network that plays: with weights, where any of them has some."""
    weighty = {p: t for p, t in found.items() if any(name.endswith("weight") for name in t)}
    for looked_at in (weighty, found):
        for place in ("", *FIRST):
            if place in looked_at:
                one = looked_at[place]
                twins = {p: t for p, t in looked_at.items() if _may_be_it(p, t, one)}
                return {place: one, **twins}
        if left := {p: t for p, t in looked_at.items() if not NO_NETWORK.search(p)}:
            return left
    return {}


def _may_be_it(place: str, tensors: dict[str, Tensor], one: dict[str, Tensor]) -> bool:
    """Whether another dict may be the network that plays as well: a running mean, or the same
    tensors under no name that says what else it is."""
    same = tensors.keys() == one.keys() and not NO_NETWORK.search(place)
    return bool(AVERAGED.search(place)) or same


def part_of(found: dict[str, dict[str, Tensor]], entry: str) -> dict[str, Tensor]:
    """The tensors whose names, with those of the entries that lead there, begin with an entry's."""
    start = f"{entry}."
    whole = (
        (f"{place}.{name}".lstrip("."), value)
        for place, tensors in found.items()
        for name, value in tensors.items()
    )
    return {name.removeprefix(start): v for name, v in whole if name.startswith(start)}


def said_in(loaded: Any) -> Said:
    """What a checkpoint's plain data says of the frames, as entries of a `Preprocess`; Unclear for
    those of which it speaks and that are not understood, or left open."""
    said: Said = {}
    divides: bool | None = True
    highest: str | Unclear = OPEN
    for number, (place, value) in enumerate(_entries(loaded, objects=True)):
        name = place.rpartition(".")[2].lower()
        if name == "preprocess" and isinstance(value, Mapping | str):
            said |= _understood(place, _mapping(value))
        elif name == "normalize_images":  # the policy divides; else it sees what the space gives
            divides = _truth(value)
            said |= {"scale": OPEN} if divides is None else {}
        elif STATISTICS.fullmatch(name):
            said |= {"scale": STANDARDISED}
        elif place.endswith("observation_space.high"):
            highest = SCALES.get(_first_number(value), OPEN)
        elif name in SPELLINGS and isinstance(value, PLAIN):
            said |= _understood(place, SPELLINGS[name](value))
        elif place in CHOICES and isinstance(value, PLAIN):
            said |= _understood(place, {place: value})
        elif number < LOOKED_AT:
            said |= _slips(place, name, value)
    return {"scale": highest, **said} if divides is False else said


ENTRIES = tuple(entry.name for entry in fields(Preprocess))
LOOKED_AT = 2_000
"""Entries that are looked at for slips."""
SLIP = 0.8
"""From where on a name is taken for a slip of a known one, by difflib's ratio."""
PLAIN = (bool, int, float, str, list, tuple)
"""What a statement may be."""
SCALES = {1.0: "unit", PIXEL_MAX: "pixels"}
"""The highest value of an observation space, and the scale of its frames."""


def _first_number(value: Any) -> float:
    """Of an array's text in Stable-Baselines3's JSON, or of what stands for a pickled array."""
    if isinstance(value, str):
        found = re.match(r"[\[\s]*(\d+(?:\.\d*)?)", value)
        return float(found[1]) if found else math.nan
    try:
        _, shape, _, _, data = value.state
        kind = {1: "u1", 4: "f4", 8: "f8"}[len(data) // math.prod(shape)]
        return float(np.frombuffer(data, kind, 1)[0])
    except (AttributeError, TypeError, ValueError, ArithmeticError, KeyError):
        return math.nan


def _truth(value: Any) -> bool | None:
    """What says yes or no, None for anything else."""
    words = {"true": True, "false": False, "1": True, "0": False}
    return words.get(str(value).lower()) if isinstance(value, bool | int | str) else None


def _meant(value: Any, yes: str | None, no: str) -> Any:
    """What yes or no mean; anything else stays what it is."""
    return {True: yes, False: no, None: value}[_truth(value)]


SPELLINGS: dict[str, Callable[[Any], Said]] = {
    "scale_obs": lambda value: {"scale": _meant(value, "unit", "pixels")},
    "grayscale_obs": lambda value: {"grey": _meant(value, None, "none")},
    "frameskip": lambda value: {"frameskip": value},
    "frame_skip": lambda value: {"frameskip": value},
    "full_action_space": lambda value: {"full_action_space": value},
    "repeat_action_probability": lambda value: {"sticky_actions": value},
    "sticky_actions": lambda value: {"sticky_actions": value},
}
"""How other projects say entries of a `Preprocess`."""


def _mapping(entries: Mapping[Any, Any] | str) -> Mapping[Any, Any]:
    """Of a text, as safetensors keep it, what it is in JSON; any other leaves the scale unclear."""
    if isinstance(entries, Mapping):
        return entries
    try:
        found = read_json(entries)
    except UsageError:
        found = None
    return found if isinstance(found, Mapping) else {"scale": entries}


def _understood(place: str, entries: Mapping[Any, Any]) -> Said:
    """Those of a `Preprocess` that say something, as it reads them."""
    named = {str(name).replace("-", "_").lower(): v for name, v in entries.items() if v is not None}
    slips = (
        (name, near)
        for name in named
        if name not in SPELLINGS and (near := nearest(name, ENTRIES)) and near not in named
    )
    found: Said = {near: _slip(f"{place}.{name}", near) for name, near in slips}
    return found | {key: _read(place, key, named[key]) for key in named if key in ENTRIES}


def _slips(place: str, name: str, value: Any) -> Said:
    """What an entry may mean whose name is nearly one that is read; unclear, all of it."""
    if isinstance(value, Mapping | str) and nearest(name, ["preprocess"]):
        keys = _mapping(value) if isinstance(value, Mapping) else {}
        return {key: _slip(f"{place}.{key}", key) for key in keys if key in ENTRIES}
    if not isinstance(value, PLAIN):
        return {}
    if (near := nearest(name, SPELLINGS)) is not None:
        return {key: _slip(place, key) for key in SPELLINGS[near](value)}
    near = nearest(place, CHOICES)
    if near is not None and isinstance(value, str) and get_close_matches(value, CHOICES[near], 1):
        return {near: _slip(place, near)}
    return {}


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name of which another can only be a slip; None for one of them."""
    names = list(known)
    return None if name in names else next(iter(get_close_matches(name, names, 1, SLIP)), None)


def _slip(place: str, key: str) -> Unclear:
    return Unclear(
        f"what its '{place[:60]}' says is not known; is it {key} of the frames? "
        f"say --preprocess {key}=VALUE or preprocess={{'{key}': VALUE}}"
    )


def _read(place: str, key: str, value: Any) -> Any:
    value = value if isinstance(value, PLAIN) else "an object"
    try:
        found = preprocess_entries({key: value})
        Preprocess(**{"grey": "pooled", "interpolation": "linear", **found})  # fit to any other
    except UsageError as error:
        return Unclear(
            f"what its '{place[:60]}' says of the frames is not understood: {error}; "
            f"say --preprocess {key}=VALUE or preprocess={{'{key}': VALUE}}"
        )
    return found[key]


def _tensors_of(value: object) -> dict[str, Tensor]:
    items = dict.items(value) if isinstance(value, dict) else ()  # a file may hide its own
    return {k: v for k, v in items if isinstance(k, str) and isinstance(v, Tensor)}


def _entries(loaded: Any, *, objects: bool) -> Iterator[tuple[str, Any]]:
    """Entries inside of entries with the names that lead there, the outer ones first; objects:
    the attributes of what was saved beside the weights are entries too. UsageError for too many."""
    level: list[tuple[str, Any]] = [("", loaded)]
    seen = 0
    for _ in range(DEEPEST):
        inner = []
        for place, value in level:
            value = value.state if objects and isinstance(value, Stub) else value
            for name, entry in _parts(value):
                seen += 1
                if seen > MOST:
                    raise UsageError(
                        f"it holds more than {MOST} entries: save the network's state_dict alone"
                    )
                inner.append((f"{place}.{name}".lstrip("."), entry))
        yield from inner
        level = inner


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    """A mapping's entries by name; of a list or tuple those that have entries, by number."""
    if isinstance(value, dict):
        yield from dict.items(value)
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            if isinstance(part, Mapping | list | tuple | Stub):
                yield number, part
