"""Trained classifiers: a folder each, with a card and weights in half precision."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from sap_rl.errors import MALFORMED, UsageError, unknown
from sap_rl.files import MAX_CARD, check_folder, read_file, write_atomically
from sap_rl.networks.loaders.native import encode_weights
from sap_rl.texts import read_toml
from sap_rl.vision.resnet import ResNet20

CARD, WEIGHTS = "classifier.toml", "weights.safetensors"
FORMAT = 1
MOST_CLASSES = 1000
"""A network of more is not made."""
"""The number of a card's format."""
MAX_BYTES = 64 * 2**20
"""A larger file of weights is refused unread."""


def load_classifier(ref: str | Path) -> nn.Module:
    """A trained classifier in evaluation mode: unit images [B, 3, H, W] -> logits [B, classes].

    ref: `resnet20`, `adv`, or the folder of a training. Nothing in it is executed. Raises
    UsageError in one line for an unknown name and for a folder that is broken.
    """
    folder = find_classifier(ref)
    card = read_card(folder)
    try:
        kind, classes = card["network"]["kind"], int(card["network"]["classes"])
        sha256 = str(card["weights"]["sha256"])
        if not 2 <= classes <= MOST_CLASSES:
            raise ValueError(f"classes, which lie in 2..{MOST_CLASSES}, got {classes}")
    except MALFORMED as error:
        raise UsageError(f"'{folder / CARD}': entry {error} is missing or broken") from error
    if kind != "resnet20":
        raise UsageError(f"'{folder / CARD}': unknown network '{kind}'; it is resnet20")
    module = ResNet20(classes).eval()
    _fill(module, _read(folder / WEIGHTS, sha256), folder / WEIGHTS)
    return module.requires_grad_(False)


def read_card(folder: Path) -> dict[str, Any]:
    """What a classifier's folder says of it; UsageError where it cannot be read."""
    path = folder / CARD
    try:
        card = read_toml(read_file(path, MAX_CARD))
    except UsageError as error:
        raise UsageError(f"'{path}' cannot be read: {error}") from error
    if card.get("format") != FORMAT:
        raise UsageError(
            f"'{path}' has format {card.get('format')}; this version reads format {FORMAT}"
        )
    return card


def write_classifier(folder: Path, module: ResNet20, facts: Mapping[str, Any]) -> None:
    """Write weights in half precision and a card; facts: tables of the card besides.

    UsageError if half precision cannot hold a weight or the disk refuses.
    """
    check_folder(folder)
    weights = floats_of(module)
    for name, value in weights.items():
        if not bool(value.half().isfinite().all()):
            raise UsageError(f"cannot write '{folder}': '{name}' leaves half precision's range")
    data, sha256 = encode_weights(weights, torch.float16)
    card = {
        "format": FORMAT,
        "network": {"kind": "resnet20", "classes": module.dense.out_features},
        "weights": {"dtype": "float16", "sha256": sha256},
    } | dict(facts)
    write_atomically(folder / WEIGHTS, data)
    write_atomically(folder / CARD, tomli_w.dumps(card))


def floats_of(module: nn.Module) -> dict[str, Tensor]:
    """Weights and running statistics, without counts of batches."""
    stated = module.state_dict()
    return {name: value for name, value in stated.items() if value.is_floating_point()}


def find_classifier(ref: str | Path) -> Path:
    """The folder of a shipped classifier's name, or of a path; UsageError for neither."""
    known = shipped_classifiers()
    if str(ref) in known:
        return known[str(ref)]
    if (Path(ref) / CARD).is_file():
        return Path(ref)
    raise unknown("classifier", str(ref), [*known, "the folder of a finished training"])


def shipped_classifiers() -> dict[str, Path]:
    """Name -> folder of every classifier that comes with the checkout or the wheel."""
    package = Path(__file__).resolve().parent.parent
    found: dict[str, Path] = {}
    for place in (package.parent / "classifiers", package / "_classifiers"):
        for card in sorted(place.glob(f"[!.]*/{CARD}")):
            found.setdefault(card.parent.name, card.parent)
    return found


def _read(path: Path, sha256: str) -> dict[str, Tensor]:
    data = read_file(path, MAX_BYTES)
    try:
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise UsageError(f"'{path}' has sha256 {found}, its card says {sha256}")
        return load(data)
    except SafetensorError as error:
        raise UsageError(f"'{path}' cannot be read: {error}") from error


def _fill(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy every weight; UsageError where one is missing, of another shape or not finite."""
    with torch.no_grad():
        for name, place in floats_of(module).items():
            value = tensors.get(name)
            if value is None or value.shape != place.shape or not bool(value.isfinite().all()):
                raise UsageError(f"'{path}': '{name}' is missing, of another shape or not finite")
            place.copy_(value)
