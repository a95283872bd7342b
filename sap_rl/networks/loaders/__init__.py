"""One file per checkpoint format; `LOADERS` maps a format's name to its reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sap_rl.errors import unknown
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.loaders import (
    atari_agents,
    cleanrl,
    crop,
    paad,
    pfrl,
    radial,
    sa_dqn,
    sb3,
    sb3_qrdqn,
    tianshou,
)  # fmt: skip
from sap_rl.networks.loaders.files import Weights, read_weights, refusal
from sap_rl.networks.loaders.layers import Format, names_shown
from sap_rl.networks.loaders.native import load_native
from sap_rl.networks.loaders.request import Request, ask

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        sb3, sb3_qrdqn, cleanrl, crop, tianshou, sa_dqn, radial, paad, pfrl, atari_agents,
    )
}  # fmt: skip
"""What other projects write, by name."""

Loader = Callable[..., Checkpoint]
LOADERS: dict[str, Loader] = {"native": load_native, **FORMATS}
"""Format name -> reader (path, request=None); it raises UsageError in one line and runs no code."""


def load_checkpoint(path: Path, format: str | None, request: Request) -> Checkpoint:
    """The checkpoint at a path, in a format that is given or recognised by its tensors.

    A folder is our own. UsageError with the question where more than one format fits.
    """
    if format is not None and format not in LOADERS:
        raise unknown("format", format, LOADERS)
    if format is not None or path.is_dir() or not path.exists():
        name = format or "native"
        return replace(LOADERS[name](path, request), format=name)
    weights = read_weights(path)
    name = _recognised(weights)
    return replace(FORMATS[name].build(weights, request), format=name)


def _recognised(weights: Weights) -> str:
    """The one format whose names these are."""
    fitting = [name for name, format in FORMATS.items() if format.recognises(weights)]
    if "sa-dqn" in fitting:  # RADIAL v2 is the same function of the same frames
        fitting = ["sa-dqn"]
    if not fitting:
        raise refusal(
            weights.path,
            f"no known format: {names_shown(weights)}; known are {', '.join(LOADERS)}; "
            "any other network can be passed as an nn.Module",
        )
    if len(fitting) > 1:
        titles = " and ".join(FORMATS[name].title for name in fitting)
        answers = [f"format='{name}'" for name in fitting]
        answers[-1] += f" (--format {fitting[-1]})"
        raise ask(weights.path, f"{titles} write the same names; whose is it?", *answers)
    return fitting[0]
