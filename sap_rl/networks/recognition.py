"""Which format a checkpoint is of: as it is said, or by the names of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from torch import Tensor

from sap_rl.errors import unknown
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.loaders import LOADERS
from sap_rl.networks.loaders.names import NATIVE
from sap_rl.networks.loaders.native import CARD
from sap_rl.networks.reading.contents import NO_NETWORK
from sap_rl.networks.reading.files import Weights, read_weights, refusal
from sap_rl.networks.reading.layers import Format, names_shown
from sap_rl.networks.reading.names import BARE
from sap_rl.networks.reading.request import Request, ask
from sap_rl.networks.unplayable import unplayable

MOST_PARTS = 64
"""Networks under one another's names, of which it is asked which plays; a file has a few."""


def formats() -> dict[str, Format]:
    """What other projects write, by name."""
    return {name: cast(Format, LOADERS[name]) for name in LOADERS if name != NATIVE}


def load_checkpoint(path: Path, format: str | None, request: Request) -> Checkpoint:
    """The checkpoint at a path, in a format that is given or recognised by its tensors.

    A folder is our own. UsageError with the question where more than one format fits.
    """
    if format is not None and format not in LOADERS:
        raise unknown("format", format, LOADERS)
    path = path.parent if path.name == CARD else path
    if format is None and (path.is_dir() or not path.exists()):
        format = NATIVE
    if format == NATIVE:
        return replace(LOADERS[NATIVE](path, request), format=NATIVE)
    if path.is_dir():
        raise refusal(path, "a folder as this project writes them: leave out the format (--format)")
    known = formats() if format is None else {format: formats()[format]}
    found, weights = _recognised(read_weights(path, request.entry), known)
    return replace(found.made(weights, request), format=found.name)


def _recognised(weights: Weights, known: Mapping[str, Format]) -> tuple[Format, Weights]:
    """The one of the formats whose names these are, and the names under which they are."""
    fitting: list[Format] = []
    for variant in weights.variants():
        fitting = [format for format in known.values() if format.recognises(variant)]
        if fitting:
            weights = variant
            break
    given_up = {name for format in fitting for name in format.instead_of}
    fitting = [format for format in fitting if format.name not in given_up]
    if not fitting:
        if (weights.path.parent / CARD).is_file():
            raise refusal(weights.path, "it is a part of an agent: give its folder")
        _ask_for_part(weights, known)
        if len(known) == 1:
            (format,) = known.values()
            raise format.refusal(weights)
        raise refusal(
            weights.path,
            unplayable(weights.tensors)
            or f"no known format: {names_shown(weights)}; known are {', '.join(LOADERS)}; "
            "any other network can be passed as an nn.Module",
        )
    if len(known) == 1:
        return fitting[0], weights
    if len(fitting) > 1:
        titles = " and ".join(format.title for format in fitting)
        answers = [f"format='{format.name}'" for format in fitting]
        answers[-1] += f" (--format {fitting[-1].name})"
        raise ask(weights.path, f"{titles} write the same names; whose is it?", *answers)
    if all(BARE.match(name) for name in weights.tensors):
        name = fitting[0].name
        raise ask(
            weights.path,
            f"{fitting[0].title} writes bare names, and so does any nn.Sequential; is it one?",
            f"format='{name}' (--format {name})",
            "load_agent(module, preprocess={...}) for another",
        )
    return fitting[0], weights


def _ask_for_part(weights: Weights, known: Mapping[str, Format]) -> None:
    """The question which of several networks under one another's names plays, where there are."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in weights.tensors.items():
        for dot in (at for at, letter in enumerate(name) if letter == "."):
            if NO_NETWORK.search(name[:dot]):
                break
            parts.setdefault(name[:dot], {})[name[dot + 1 :]] = tensor
            if len(parts) > MOST_PARTS:
                return
    fitting: list[str] = []
    for part, own in parts.items():  # an outer part comes before what is in it
        inside = any(part.startswith(f"{outer}.") for outer in fitting)
        if not inside and _fits(known, replace(weights, tensors=own)):
            fitting.append(part)
    if fitting:
        raise ask(
            weights.path,
            f"which of its parts is the network that plays: {', '.join(fitting[:12])}?",
            f"entry='{fitting[0]}' (--entry {fitting[0]})",
        )


def _fits(known: Mapping[str, Format], weights: Weights) -> bool:
    return any(f.recognises(variant) for variant in weights.variants() for f in known.values())
