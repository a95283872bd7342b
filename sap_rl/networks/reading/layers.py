"""What a format's file provides, and how its names become those of our networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from sap_rl.atari.preprocess import LARGEST, Preprocess
from sap_rl.errors import UsageError, printable
from sap_rl.networks import NETWORKS, Scores
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.nature import HIDDEN
from sap_rl.networks.precision import said_of_precision
from sap_rl.networks.reading.files import Weights, read_weights, refusal
from sap_rl.networks.reading.request import Request
from sap_rl.networks.sizes import size_cure

PLAIN = ("conv1", "conv2", "conv3", "dense", "q")
"""Layers of the Nature network."""
CATEGORICAL = (*PLAIN[:4], "head.out")
"""Layers of the categorical network; the atoms are its `head.support`."""
DUELING = (
    "conv1", "conv2", "conv3", "head.advantage.dense", "head.advantage.out", "head.value.dense",
    "head.value.out",
)  # fmt: skip
"""Layers of the dueling network, in the order in which formats usually name them."""


class Loader(Protocol):
    """One entry of `LOADERS`; version: raised when what it reads changes."""

    @property
    def version(self) -> int: ...

    def __call__(self, path: Path, request: Request | None = None) -> Checkpoint: ...


@dataclass(frozen=True)
class Format:
    """A foreign checkpoint format, one entry of `LOADERS`.

    name: its key there; title: whose it is, for people; recognises: whether tensors bear its
    names; build: its network and preprocessing; instead_of: formats that recognise its files too
    and would make the same function of them; version: raised when what it reads changes. Calling
    it reads a file.
    """

    name: str
    title: str
    recognises: Callable[[Weights], bool]
    build: Callable[[Weights, Request], Checkpoint]
    instead_of: tuple[str, ...] = ()
    version: int = 1

    def __call__(self, path: Path, request: Request | None = None) -> Checkpoint:
        """Read a file that is said to be of this format; UsageError in one line if it is not."""
        request = request or Request()
        weights = read_weights(path, request.entry)
        for variant in weights.variants():
            if self.recognises(variant):
                return self.made(variant, request)
        raise self.refusal(weights)

    def refusal(self, weights: Weights) -> UsageError:
        """That a file is none of this format."""
        return refusal(weights.path, f"not a {self.title} checkpoint; {names_shown(weights)}")

    def made(self, weights: Weights, request: Request) -> Checkpoint:
        """The checkpoint of tensors under its names, as its file and the request say it
        sees; UsageError names the file."""
        try:
            return self.build(weights, request.beside(weights.said))
        except UsageError as error:
            named = str(error).startswith(printable(str(weights.path)))
            raise error if named else refusal(weights.path, error) from None


def names_shown(weights: Weights) -> str:
    """What a file holds, for an error."""
    names = sorted(weights.tensors)
    return f"its tensors are {', '.join(name[:40] for name in names[:6])}" + (
        f" and {len(names) - 6} more" if len(names) > 6 else ""
    )


def layer_names(prefix: str, places: Iterable[int | str], ending: str = "") -> list[str]:
    """`network.0`, `network.2`, ...: the prefix before each place."""
    return [f"{prefix}{place}{ending}" for place in places]


def has_layers(names: set[str], layers: Iterable[str]) -> bool:
    """Whether these are exactly the weights and biases of these layers."""
    return names == {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}


def renamed(weights: Weights, theirs: Iterable[str], ours: Iterable[str]) -> dict[str, Tensor]:
    """Weights and biases of their layers under our names, as float32."""
    return {
        f"{our}.{kind}": weights.take(f"{their}.{kind}")
        for their, our in zip(theirs, ours, strict=True)
        for kind in ("weight", "bias")
    }


def frames_of(weights: Weights, conv1: str) -> int:
    """How many stacked frames the first convolution takes."""
    shape = weights.take(f"{conv1}.weight").shape
    if len(shape) != 4:
        raise refusal(weights.path, f"'{conv1}' is no convolution: its weight is {list(shape)}")
    return int(shape[1])


def outputs_of(weights: Weights, last: str) -> int:
    """How many actions the last layer gives values of; UsageError for more than a game can have."""
    shape = weights.take(f"{last}.bias").shape
    if len(shape) != 1 or not 2 <= shape[0] <= LARGEST["first_actions"]:
        raise refusal(
            weights.path, f"'{last}' gives {list(shape)} values; games have 2 to 18 actions"
        )
    return int(shape[0])


def make_checkpoint(
    weights: Weights,
    state: dict[str, Tensor],
    preprocess: Preprocess,
    request: Request,
    *,
    kind: str = "nature",
    format: str,
    scores: Scores = "values",
) -> Checkpoint:
    """Our network with these tensors; UsageError where their shapes are not its own."""
    last = {"nature": "q", "dueling": "head.advantage.out", "categorical": "head.out"}[kind]
    outputs = len(state[f"{last}.bias"]) if state[f"{last}.bias"].ndim == 1 else 0
    atoms = state["head.support"].numel() if kind == "categorical" else 1
    num_actions = outputs // max(1, atoms)
    if preprocess.shape[0] != state["conv1.weight"].shape[1]:
        raise refusal(
            weights.path,
            f"the network sees {state['conv1.weight'].shape[1]} frames, preprocess says "
            f"{preprocess.shape[0]}",
        )
    try:
        module = empty_network(kind, num_actions, preprocess)
    except UsageError as error:
        raise refusal(weights.path, error) from None
    try:
        module.load_state_dict(state, assign=True)
    except RuntimeError as error:
        reason = f"not a {kind} network's weights{_cure(state, preprocess)}: {error}"
        raise refusal(weights.path, reason) from None
    facts = {"format": format, "source": weights.path.name, **said_of_precision(weights.tensors)}
    return Checkpoint(
        module.eval(), num_actions, preprocess, printable(weights.path.stem, LONGEST_NAME),
        request.game, weights.sha256, facts=facts, kind=kind, scores=scores,
    )  # fmt: skip


LONGEST_NAME = 80
"""Characters of an agent's name, where a file's own is longer."""


def _cure(state: dict[str, Tensor], preprocess: Preprocess) -> str:
    """What to say where another network, or another size of frames, is behind the weights."""
    dense = next((state[name] for name in state if name.endswith("dense.weight")), torch.zeros(0))
    made = size_cure(dense.shape[1], preprocess) if dense.ndim == 2 else ""
    if made:
        return f" ({made})"
    units = (
        f"a dense layer of {len(dense)} units, not {HIDDEN}: "
        if dense.ndim == 2 and len(dense) != HIDDEN
        else ""
    )
    return f" ({units}load it where it was trained and pass the module or model)"


def empty_network(kind: str, num_actions: int, preprocess: Preprocess) -> nn.Module:
    """A network without memory behind it, so that absurd sizes cost nothing."""
    with torch.device("meta"):
        return NETWORKS[kind](num_actions, frames=preprocess.shape[0], size=preprocess.seen_size)
