"""Checkpoints in every format's own layout, and the values that its own code would give."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sap_rl import Preprocess
from sap_rl.networks import NETWORKS
from sap_rl.networks.loaders.native import write_native

State = dict[str, Tensor]
Values = Callable[[State, Tensor], Tensor]


@dataclass(frozen=True)
class Foreign:
    """One kind of file.

    layers: weight shapes by their layer's name, in its own order; values: what its own code makes
    of pixels 0..255 [B, K, H, W]; sees: the preprocessing that belongs to it; options: what
    `load_agent` must be told; write: state -> file; ending: of the file's name; scores: what the
    values are; beside: weight shapes of layers that do not play, as `layers`; atoms: the name of a
    C51's support.
    """

    format: str
    layers: dict[str, tuple[int, ...]]
    values: Values
    sees: Preprocess
    options: dict[str, Any] = field(default_factory=dict)
    target: tuple[str, str] = ("", "")
    nested: str = ""
    ending: str = ".pt"
    alone: bool = True
    scores: str = "values"
    beside: dict[str, tuple[int, ...]] = field(default_factory=dict)
    atoms: str = ""

    @property
    def state(self) -> State:
        """Its online network's tensors, the same on every machine."""
        rng = np.random.default_rng(len(self.layers))
        found: State = {}
        for name, shape in (self.layers | self.beside).items():
            scale = (2.0 / np.prod(shape[1:])) ** 0.5
            weight = rng.standard_normal(shape) * scale
            found[f"{name}.weight"] = torch.from_numpy(weight.astype(np.float32))
            bias = rng.standard_normal(shape[0]) * 0.1
            found[f"{name}.bias"] = torch.from_numpy(bias.astype(np.float32))
        return found | ({self.atoms: torch.linspace(-10, 10, 51)} if self.atoms else {})

    def write(self, folder: Path, state: State | None = None) -> Path:
        """A file of this kind in the folder, with another network as its target."""
        state = self.state if state is None else state
        online, target = self.target
        if target:
            state = state | {
                target + name.removeprefix(online): torch.zeros_like(value)
                for name, value in state.items()
            }
        path = folder / f"theirs{self.ending}"
        path.write_bytes(self.packed({self.nested: state} if self.nested else state))
        return path

    def packed(self, loaded: Any) -> bytes:
        """The file's bytes."""
        file = io.BytesIO()
        torch.save(loaded, file)
        if self.ending == ".gz":
            return gzip.compress(file.getvalue(), 1)
        if self.ending == ".zip":
            return sb3_zip(file.getvalue())
        return file.getvalue()


def sb3_zip(policy: bytes, *, data: bytes = b'{"policy_class": ":serialized:"}') -> bytes:
    """Stable-Baselines3's archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data", data)
        archive.writestr("policy.pth", policy)
        archive.writestr("policy.optimizer.pth", b"not looked at")
        archive.writestr("_stable_baselines3_version", "2.3.0")
    return file.getvalue()


def trunk(state: State, obs: Tensor, names: list[str]) -> Tensor:
    """Three convolutions."""
    for name, stride in zip(names, (4, 2, 1), strict=True):
        obs = F.relu(F.conv2d(obs, state[f"{name}.weight"], state[f"{name}.bias"], stride=stride))
    return obs.flatten(1)


def dense(state: State, x: Tensor, name: str) -> Tensor:
    return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))


def plain_values(layers: list[str]) -> Values:
    """Of the Nature network on what the values' caller scaled."""

    def values(state: State, obs: Tensor) -> Tensor:
        hidden = F.relu(dense(state, trunk(state, obs, layers[:3]), layers[3]))
        return dense(state, hidden, layers[4])

    return values


def dueling_values(layers: list[str]) -> Values:
    """layers: convolutions, advantage stream, value stream."""

    def values(state: State, obs: Tensor) -> Tensor:
        features = trunk(state, obs, layers[:3])
        advantage = dense(state, F.relu(dense(state, features, layers[3])), layers[4])
        value = dense(state, F.relu(dense(state, features, layers[5])), layers[6])
        return value + (advantage - advantage.mean(1, keepdim=True))

    return values


def unit(values: Values) -> Values:
    """Divided by 255, inside or outside."""
    return lambda state, pixels: values(state, pixels / 255.0)


def swapped(values: Values) -> Values:
    """numpy.swapaxes(observation, 2, 0) of [H, W, C], then divided by 255."""
    return lambda state, pixels: values(state, pixels.permute(0, 1, 3, 2) / 255.0)


def mean_of_quantiles(layers: list[str], actions: int) -> Values:
    flat = plain_values(layers)
    return lambda state, pixels: flat(state, pixels / 255.0).view(len(pixels), -1, actions).mean(1)


def mean_of_atoms(layers: list[str], support: str) -> Values:
    flat = plain_values(layers)

    def values(state: State, pixels: Tensor) -> Tensor:
        atoms = state[support]
        logits = flat(state, pixels / 255.0).view(len(pixels), -1, len(atoms))
        return (torch.softmax(logits, 2) * atoms).sum(2)

    return values


def shapes(
    names: list[str], actions: int, *, frames: int = 4, features: int = 3136
) -> dict[str, tuple[int, ...]]:
    """Of five layers, or of seven where there is a value stream."""
    sizes: list[tuple[int, ...]] = [
        (32, frames, 8, 8), (64, 32, 4, 4), (64, 64, 3, 3), (512, features), (actions, 512),
        (512, features), (1, 512),
    ]  # fmt: skip
    return dict(zip(names, sizes, strict=False))


def numbered(prefix: str, places: tuple[int | str, ...]) -> list[str]:
    return [f"{prefix}{place}" for place in places]


SB3 = [*numbered("q_net.features_extractor.cnn.", (0, 2, 4)), "q_net.features_extractor.linear.0",
       "q_net.q_net.0"]  # fmt: skip
QR = [name.replace("q_net.", "quantile_net.", 1) for name in SB3[:4]] + [
    "quantile_net.quantile_net.0"
]
NETWORK = numbered("network.", (0, 2, 4, 7, 9))
SCALED_NETWORK = numbered("network.", (1, 3, 5, 8, 10))
BARE = numbered("", (0, 2, 4, 7, 9))
TIANSHOU = numbered("model.net.", ("0.0", "0.2", "0.4", "1", "3"))
TIANSHOU_SCALED = numbered("model.module.net.", ("0.0", "0.2", "0.4", "1", "3"))
SQUARE = [*numbered("cnn.", (0, 2, 4)), "advantage.0", "advantage.2", "value.0", "value.2"]
RADIAL_V1 = numbered("model.", (0, 2, 4, 7, 9))
PAAD = numbered("Q.", ("conv1", "conv2", "conv3", "fc4", "fc5"))
PAAD_DUELING = [*PAAD, "Q.fc6", "Q.fc7"]
PFRL = [*numbered("0.layers.", (0, 1, 2)), "0.output", "1"]
ATARI_AGENTS = [*numbered("_AtariNet__features.", (0, 2, 4)), *numbered("_AtariNet__head.", (0, 2))]
SUPPORT = "_AtariNet__support"

SB3_EXTRACTOR = [*numbered("cnn.", (0, 2, 4)), "linear.0"]
SB3_ACTOR = [*numbered("pi_features_extractor.", tuple(SB3_EXTRACTOR)), "action_net"]
SB3_FIRST_ACTOR = [*numbered("features_extractor.", tuple(SB3_EXTRACTOR)), "action_net"]
CLEANRL_PPO = [*NETWORK[:4], "actor"]
TRUNK = ("0.0", "0.2", "0.4", "1")
TIANSHOU_ACTOR = [*numbered("actor.preprocess.net.", TRUNK), "actor.last.model.0"]
TIANSHOU_SCALED_ACTOR = [*numbered("actor.preprocess.module.net.", TRUNK), "actor.last.model.0"]
VALUE = {"value_net": (1, 512)}

PONG_SQUARE = (31, -4, 168, 168)
SQUARE_SEES = {"frames": 1, "grey": "pooled", "layout": "columns_first"}

FOREIGN: dict[str, Foreign] = {
    "sb3": Foreign(
        "sb3", shapes(SB3, 6), unit(plain_values(SB3)), Preprocess(grey="pooled"),
        target=("q_net.", "q_net_target."), ending=".zip",
    ),
    "sb3-qrdqn": Foreign(
        "sb3-qrdqn", shapes(QR, 50 * 6), mean_of_quantiles(QR, 6), Preprocess(grey="pooled"),
        {"game": "Pong"}, target=("quantile_net.", "quantile_net_target."), ending=".zip",
        alone=False,
    ),
    "cleanrl": Foreign(
        "cleanrl", shapes(NETWORK, 6), unit(plain_values(NETWORK)),
        Preprocess(grey="resized", fill="repeat"), {"format": "cleanrl"},
        ending=".cleanrl_model", alone=False,
    ),
    "cleanrl, early": Foreign(
        "cleanrl", shapes(SCALED_NETWORK, 6), unit(plain_values(SCALED_NETWORK)),
        Preprocess(grey="resized", fill="repeat"), ending=".cleanrl_model",
    ),
    "crop": Foreign(
        "crop", shapes(NETWORK, 4), unit(plain_values(NETWORK)),
        Preprocess(grey="pooled", first_actions=4), {"format": "crop"}, ending=".pth", alone=False,
    ),
    "crop, bare": Foreign(
        "crop", shapes(BARE, 6), unit(plain_values(BARE)),
        Preprocess(grey="pooled", first_actions=6), {"format": "crop"}, ending=".pth", alone=False,
    ),
    "tianshou, raw": Foreign(
        "tianshou", shapes(TIANSHOU, 6), plain_values(TIANSHOU),
        Preprocess(grey="pooled", fill="repeat", scale="pixels"),
        {"preprocess": {"scale": "pixels"}}, target=("model.", "model_old."), ending=".pth",
        alone=False,
    ),
    "tianshou, unit": Foreign(
        "tianshou", shapes(TIANSHOU, 6), unit(plain_values(TIANSHOU)),
        Preprocess(grey="pooled", fill="repeat"), {"preprocess": {"scale": "unit"}},
        target=("model.", "model_old."), ending=".pth", alone=False,
    ),
    "tianshou, scale_obs": Foreign(
        "tianshou", shapes(TIANSHOU_SCALED, 6), unit(plain_values(TIANSHOU_SCALED)),
        Preprocess(grey="pooled", fill="repeat"), target=("model.", "model_old."), ending=".pth",
    ),
    "sa-dqn": Foreign(
        "sa-dqn", shapes(SQUARE, 4, frames=1), swapped(dueling_values(SQUARE)),
        Preprocess(**SQUARE_SEES, crop=PONG_SQUARE, first_actions=4), {"game": "Pong"},
        ending=".pth", alone=False,
    ),
    "sa-dqn, plain": Foreign(
        "sa-dqn", shapes(BARE, 6, frames=1), swapped(plain_values(BARE)),
        Preprocess(**SQUARE_SEES, crop=(41, -4, 168, 168), first_actions=6),
        {"game": "RoadRunner", "format": "sa-dqn"}, ending=".pth", alone=False,
    ),
    "radial": Foreign(
        "radial", shapes(SQUARE, 6, frames=1), swapped(dueling_values(SQUARE)),
        Preprocess(**SQUARE_SEES, crop=(21, -4, 168, 168), first_actions=6),
        {"game": "BankHeist"}, nested="model_state_dict", alone=False,
    ),
    "radial, version 1": Foreign(
        "radial", shapes(RADIAL_V1, 6, frames=1, features=2304), unit(plain_values(RADIAL_V1)),
        Preprocess(frames=1, height=80, width=80, crop=(34, 0, 160, 160), grey="pooled",
                   luma="mean", interpolation="linear"), {"game": "Pong"}, alone=False,
    ),
    "paad": Foreign(
        "paad", shapes(PAAD, 6), unit(plain_values(PAAD)), Preprocess(grey="pooled"),
        target=("Q.", "target_Q."),
    ),
    "paad, dueling": Foreign(
        "paad", shapes(PAAD_DUELING, 6), unit(dueling_values(PAAD_DUELING)),
        Preprocess(grey="pooled"), target=("Q.", "target_Q."),
    ),
    "pfrl": Foreign(
        "pfrl", shapes(PFRL, 6), unit(plain_values(PFRL)),
        Preprocess(grey="pooled", fill="repeat"),
    ),
    "atari-agents": Foreign(
        "atari-agents", shapes(ATARI_AGENTS, 6), unit(plain_values(ATARI_AGENTS)),
        Preprocess(sticky_actions=0.25), nested="estimator_state", ending=".gz",
    ),
    "sb3-actor": Foreign(
        "sb3-actor", shapes(SB3_ACTOR, 6), unit(plain_values(SB3_ACTOR)),
        Preprocess(grey="pooled"), ending=".zip", scores="logits", beside=VALUE
        | shapes(numbered("features_extractor.", tuple(SB3_EXTRACTOR)), 6)
        | shapes(numbered("vf_features_extractor.", tuple(SB3_EXTRACTOR)), 6),
    ),
    "sb3-actor, before 2.0": Foreign(
        "sb3-actor", shapes(SB3_FIRST_ACTOR, 6), unit(plain_values(SB3_FIRST_ACTOR)),
        Preprocess(grey="pooled"), ending=".zip", scores="logits", beside=VALUE,
    ),
    "cleanrl-ppo": Foreign(
        "cleanrl-ppo", shapes(CLEANRL_PPO, 6), unit(plain_values(CLEANRL_PPO)),
        Preprocess(grey="resized", fill="repeat"), ending=".cleanrl_model", scores="logits",
        beside={"critic": (1, 512)},
    ),
    "cleanrl-c51": Foreign(
        "cleanrl-c51", shapes(NETWORK, 6 * 51), mean_of_atoms(NETWORK, "atoms"),
        Preprocess(grey="resized", fill="repeat"), nested="model_weights",
        ending=".cleanrl_model", atoms="atoms",
    ),
    "tianshou-c51": Foreign(
        "tianshou-c51", shapes(TIANSHOU, 6 * 51), mean_of_atoms(TIANSHOU, "support"),
        Preprocess(grey="pooled", fill="repeat"), {"preprocess": {"scale": "unit"}},
        target=("model.", "model_old."), ending=".pth", alone=False, atoms="support",
    ),
    "tianshou-actor": Foreign(
        "tianshou-actor", shapes(TIANSHOU_ACTOR, 6), plain_values(TIANSHOU_ACTOR),
        Preprocess(grey="pooled", fill="repeat", scale="pixels"),
        {"preprocess": {"scale": "pixels"}}, ending=".pth", alone=False, scores="logits",
        beside={"critic.last.model.0": (1, 512)} | shapes(
            [name.replace("actor.", "_actor_critic.actor.", 1) for name in TIANSHOU_ACTOR], 6
        ),
    ),
    "tianshou-actor, scale_obs": Foreign(
        "tianshou-actor", shapes(TIANSHOU_SCALED_ACTOR, 6),
        unit(plain_values(TIANSHOU_SCALED_ACTOR)), Preprocess(grey="pooled", fill="repeat"),
        ending=".pth", scores="logits", beside={"critic.last.model.0": (1, 512)},
    ),
}  # fmt: skip
"""By a name for people; `alone`: it loads without a word of the user's."""


def native_folder(folder: Path) -> tuple[Path, Values]:
    """Our own format, with a network of its own order, and its values."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = NETWORKS["dueling"](6).half().float()
    sees = Preprocess(order="newest_first", grey="pooled")
    write_native(
        folder / "Ours", network, kind="dueling", num_actions=6, game="Pong", preprocess=sees,
        facts={},
    )  # fmt: skip
    return folder / "Ours", lambda _, pixels: network(pixels.flip(1) / 255.0)


def random_frames(sees: Preprocess, count: int = 5) -> np.ndarray:
    """uint8 [count, K, H, W], the same on every machine."""
    rng = np.random.default_rng(17)
    return rng.integers(256, size=(count, *sees.shape), dtype=np.uint8)
