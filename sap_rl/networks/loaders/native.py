"""Our own format: a folder with `agent.toml` and safetensors weights."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from sap_rl.atari.games import canonical_game
from sap_rl.atari.protocol import Preprocess
from sap_rl.errors import UsageError
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.nature import nature_network

MAX_BYTES = 64 * 2**20
"""No Q-network of this format comes near it; a larger file is refused unread."""


def load_native(folder: Path) -> Checkpoint:
    """Read an agent's folder; weights in any float precision become float32.

    Raises UsageError in one line for a missing, corrupt, truncated, wrong-hash, wrong-shape or
    NaN-holding file.
    """
    card = _read_card(folder / "agent.toml")
    try:
        game = canonical_game(card["game"])
        num_actions = int(card["network"]["num_actions"])
        preprocess = Preprocess(**card["preprocess"])
        file, sha256 = str(card["weights"]["file"]), str(card["weights"]["sha256"])
        module = nature_network(num_actions, frames=preprocess.frames)
    except (KeyError, TypeError) as error:
        raise UsageError(f"{folder / 'agent.toml'}: missing or unusable entry {error}") from error
    weights = _read_weights(folder / Path(file).name, sha256)
    try:
        module.load_state_dict({name: value.float() for name, value in weights.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split()[:40])
        raise UsageError(f"{folder / file}: not a Nature network's weights: {reason}") from error
    return Checkpoint(
        module.eval(), num_actions, preprocess, folder.name, game, sha256, facts=card
    )


def encode_weights(weights: dict[str, Tensor], dtype: torch.dtype) -> tuple[bytes, str]:
    """Safetensors bytes in the given precision, and their sha256."""
    data = save({name: value.to(dtype).contiguous() for name, value in weights.items()})
    return data, hashlib.sha256(data).hexdigest()


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as an agent's card: {error}") from error
    if card.get("format") != "native" or card.get("network", {}).get("kind") != "nature":
        raise UsageError(
            f"{path}: format '{card.get('format')}' with network "
            f"'{card.get('network', {}).get('kind')}' is not known; known: native with nature"
        )
    return card


def _read_weights(path: Path, sha256: str) -> dict[str, Tensor]:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UsageError(f"{path}: {size} bytes of weights, at most {MAX_BYTES} are read")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise UsageError(
            f"{path}: sha256 is {found[:16]}... but agent.toml says {sha256[:16]}...; "
            "the file is corrupt, truncated or not the agent's"
        )
    try:
        weights: dict[str, Tensor] = load(data)
    except SafetensorError as error:
        raise UsageError(f"{path}: not a safetensors file: {error}") from error
    for name, value in weights.items():
        if not value.is_floating_point() or not bool(torch.isfinite(value).all()):
            raise UsageError(f"{path}: tensor '{name}' ({value.dtype}) is not all finite floats")
    return weights
