"""SA-DQN (Zhang et al. 2020, arXiv 2003.08938) and those who build on it, e.g. CAR-DQN and WocaR.

One frame, columns first, of a square of the screen that its authors shifted by hand for each game.
"""

from __future__ import annotations

from sap_rl.atari.preprocess import Preprocess
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.reading.files import Weights
from sap_rl.networks.reading.layers import (
    DUELING,
    PLAIN,
    Format,
    frames_of,
    has_layers,
    layer_names,
    make_checkpoint,
    outputs_of,
    renamed,
)  # fmt: skip
from sap_rl.networks.reading.request import Request, ask

LAYERS = layer_names("", (0, 2, 4, 7, 9))
"""Layers of the plain network of SA-DQN."""
DUELING_LAYERS = [
    *layer_names("cnn.", (0, 2, 4)),
    *layer_names("advantage.", (0, 2)),
    *layer_names("value.", (0, 2)),
]
CROP_SHIFTS = {"BankHeist": 0, "Freeway": 0, "Pong": 10, "RoadRunner": 20}
"""Rows by which the square lies below the middle of the screen, in its authors' configurations."""


def recognises(weights: Weights) -> bool:
    """Whether the names are those of SA-DQN's dueling network, or of its plain one-frame one."""
    if has_layers(weights.names(), LAYERS):
        return frames_of(weights, LAYERS[0]) == 1
    return not weights.nested and has_layers(weights.names(), DUELING_LAYERS)


def build(weights: Weights, request: Request) -> Checkpoint:
    """The network on unit frames, behind its transposition."""
    return build_square(weights, request, "sa-dqn")


def build_square(weights: Weights, request: Request, format: str) -> Checkpoint:
    """What SA-DQN and RADIAL v2 share: networks, crops and actions."""
    plain = has_layers(weights.names(), LAYERS)
    layers = LAYERS if plain else DUELING_LAYERS
    trained = Preprocess(
        frames=frames_of(weights, layers[0]),
        first_actions=outputs_of(weights, layers[4]),
        crop=square(weights, request),
        grey="pooled",
        layout="columns_first",
    )
    state = renamed(weights, layers, PLAIN if plain else DUELING)
    return make_checkpoint(
        weights, state, request.settle(trained), request,
        kind="nature" if plain else "dueling", format=format,
    )  # fmt: skip


def square(weights: Weights, request: Request) -> tuple[int, ...]:
    """The part of the screen: 168x168 with 4 black columns at either side."""
    if request.says("crop"):
        return ()
    if request.game not in CROP_SHIFTS:
        games = ", ".join(CROP_SHIFTS)
        raise ask(
            weights.path,
            f"which part of the screen did it see? Known for {games}.",
            "its game with game= (--game)",
            "crop in preprocess (--preprocess crop=21,-4,168,168: top, left, height, width)",
        )
    return (21 + CROP_SHIFTS[request.game], -4, 168, 168)


# RADIAL v2 is the same function of the same frames.
FORMAT = Format("sa-dqn", "SA-DQN", recognises, build, instead_of=("radial",))
