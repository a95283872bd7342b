"""Our own format: a folder with `agent.toml` and safetensors weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import tomli_w
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from sap_rl.atari.games import canonical_game
from sap_rl.atari.preprocess import CHOICES, Preprocess, preprocess_entries
from sap_rl.errors import UsageError, printable, unknown
from sap_rl.files import MAX_CARD, exists, read_file
from sap_rl.networks import NETWORKS, Scores
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.hub import SUSPECTED
from sap_rl.networks.reading.contents import nearest
from sap_rl.networks.reading.files import refusal
from sap_rl.networks.reading.layers import LONGEST_NAME, empty_network
from sap_rl.networks.reading.request import Request
from sap_rl.networks.reading.strangers import kind_of_folder
from sap_rl.texts import read_toml

CARD = "agent.toml"
MAX_FILES = 1_000
"""How many files of a folder that is no agent's are looked at."""
MAX_BYTES = 64 * 2**20
"""A larger file is refused unread; no Q-network of this format comes near it."""


def load_native(folder: Path, request: Request | None = None) -> Checkpoint:
    """Read an agent's folder; weights in any float precision become float32.

    request: a preprocessing that replaces the card's; its game is the card's business.
    Raises UsageError in one line for a missing, corrupt, truncated, wrong-hash, wrong-shape or
    NaN-holding file. Draws no random numbers.
    """
    path = folder / CARD
    if folder.is_dir() and not exists(path):
        raise _without_card(folder)
    card = _read_card(path)
    try:
        game = canonical_game(str(card["game"]))
        num_actions = card["network"]["num_actions"]
        if type(num_actions) is not int:
            raise TypeError(f"network.num_actions cannot be {num_actions!r}")
        preprocess = _read_preprocess(card["preprocess"])
        weights = folder / Path(card["weights"]["file"]).name
        sha256 = str(card["weights"]["sha256"])
        module = empty_network(card["network"]["kind"], num_actions, preprocess)
    except KeyError as error:
        raise refusal(path, f"entry {error} is missing") from error
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # Runtime: beyond 2^63
        raise refusal(path, error) from error
    kind, scores = card["network"]["kind"], card["network"].get("scores", "values")
    if scores not in get_args(Scores):
        raise refusal(path, unknown("network.scores", str(scores), get_args(Scores)))
    _fill(module, _read_weights(weights, sha256), weights, kind)
    request = (request or Request()).beside(asdict(preprocess))
    return Checkpoint(
        module.eval(), num_actions, request.settle(preprocess),
        printable(folder.name, LONGEST_NAME), game,
        sha256, facts=card, kind=kind, scores=scores,
    )  # fmt: skip


@dataclass(frozen=True)
class FolderFormat:
    """Our own entry of `LOADERS`: it reads a folder, not a file that is told by its tensors."""

    version: int = 1

    def __call__(self, path: Path, request: Request | None = None) -> Checkpoint:
        """See `load_native`."""
        return load_native(path, request)


FORMAT = FolderFormat()


def encode_weights(weights: dict[str, Tensor], dtype: torch.dtype) -> tuple[bytes, str]:
    """Safetensors bytes in the given precision, and their sha256."""
    data = save({name: value.to(dtype).contiguous() for name, value in weights.items()})
    return data, hashlib.sha256(data).hexdigest()


def write_native(
    folder: Path,
    module: nn.Module,
    *,
    kind: str,
    num_actions: int,
    game: str,
    preprocess: Preprocess,
    facts: dict[str, Any],
    scores: Scores = "values",
) -> None:
    """Make an agent's folder with weights in half precision.

    kind: of `NETWORKS`; facts: tables of the card after what playing needs (training, score,
    licence); scores: as in `Checkpoint`. UsageError if the disk refuses.
    """
    weights = module.state_dict()
    for name, value in weights.items():
        if not bool(value.half().isfinite().all()):
            raise UsageError(
                f"cannot write agent '{folder}': '{name}' leaves half precision's range"
            )
    data, sha256 = encode_weights(weights, torch.float16)
    card = {
        "format": "native",
        "game": game,
        "network": {"kind": kind, "num_actions": num_actions} | _said_of(scores),
        "preprocess": asdict(preprocess),
        "weights": {"file": "weights.safetensors", "dtype": "float16", "sha256": sha256},
    } | facts
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weights.safetensors").write_bytes(data)
        (folder / CARD).write_text(tomli_w.dumps(card), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write agent '{folder}': {error.strerror or error}") from error


def _said_of(scores: Scores) -> dict[str, str]:
    """What a card says of the network's scores: nothing where they are what they always were."""
    return {} if scores == "values" else {"scores": scores}


def _without_card(folder: Path) -> UsageError:
    """The refusal of a folder that is no agent's, with the file in it that may be one."""
    names = _files_in(folder, "*")
    inside = _files_in(folder, "*/*")
    likely = [name for name in (*names, *inside) if name.endswith((*SUSPECTED, CARD))]
    if what := kind_of_folder(names):
        return refusal(folder, what)
    if "checkpoints" in names and not any(name in names for name in likely):
        there = f"; it is a run: sap-rl agents export '{folder}' makes an agent of it"
    elif likely:
        found = (name.removesuffix(f"/{CARD}") for name in likely[:4])
        there = f"; {', '.join(found)} in it may be an agent: give that"
    elif what := kind_of_folder(Path(name).name for name in inside):
        return refusal(folder, what)
    else:
        there = (
            " and no file that looks like an agent: give a file of weights (a state_dict saved "
            "with torch.save, safetensors, or a Stable-Baselines3 zip)"
        )
    return refusal(folder, f"there is no agent.toml in it{there}")


def _files_in(folder: Path, pattern: str) -> list[str]:
    """Some names in a folder; none where it may not be looked into."""
    try:
        found = list(islice(folder.glob(pattern), MAX_FILES))
    except OSError:
        return []
    return sorted(str(path.relative_to(folder)) for path in found)


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = read_toml(read_file(path, MAX_CARD))
    except UsageError as error:
        raise refusal(path, f"cannot be read as an agent's card: {error}") from error
    _require_known(path, card)
    network = card.get("network")
    kind = network.get("kind") if isinstance(network, dict) else None
    if card.get("format") != "native" or str(kind) not in NETWORKS:
        raise refusal(
            path,
            f"format '{card.get('format')}' with network '{kind}' is not known; "
            f"known: native with {', '.join(NETWORKS)}",
        )
    return card


KNOWN = {
    "": ("format", "game", "network", "preprocess", "weights"),
    "network": ("kind", "num_actions", "scores"),
    "weights": ("file", "dtype", "sha256"),
}
"""What is read of a card, by its tables; other tables are facts for people."""


def _require_known(path: Path, card: Mapping[str, Any]) -> None:
    """Refuse a name that can only be a slip of one that is read."""
    for table, known in KNOWN.items():
        entries = card.get(table) if table else card
        for name in entries if isinstance(entries, Mapping) else ():
            near = nearest(name.lower(), known) or name.lower()
            if near in known and name not in known:
                raise refusal(path, f"its '{name[:40]}' is not known: is it {near}?")


def _read_preprocess(entries: Any) -> Preprocess:
    if not isinstance(entries, dict):
        raise TypeError(f"preprocess cannot be {entries!r:.40}")
    for name, value in entries.items():
        if isinstance(value, str) and name not in CHOICES:
            raise TypeError(f"preprocess.{name} cannot be {value!r:.40}")
    return Preprocess(**preprocess_entries(entries))


def _read_weights(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a weights file as float32."""
    data = read_file(path, MAX_BYTES)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise refusal(
            path,
            f"sha256 is {found[:16]}... but agent.toml says {sha256[:16]}...; "
            "the file is corrupt, truncated or not the agent's",
        )
    try:
        stored: dict[str, Tensor] = load(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise refusal(path, f"not a safetensors file: {error}") from error
    weights: dict[str, Tensor] = {}
    for name, value in stored.items():
        if not value.is_floating_point() or not bool(torch.isfinite(value.float()).all()):
            raise refusal(path, f"tensor '{name}' ({value.dtype}) is not all finite floats")
        weights[name] = value.float()
    return weights


def _fill(module: nn.Module, weights: dict[str, Tensor], path: Path, kind: str) -> None:
    try:
        module.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise refusal(path, f"not a {kind} network's weights: {error}") from error
