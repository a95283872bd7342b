"""An attacker that was trained: a director chooses where the scores shall move, PGD acts it out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from sap_rl.attacks.factory import AttackFactory
from sap_rl.attacks.gradients import mean_values
from sap_rl.attacks.objectives import lead
from sap_rl.attacks.options import GradSamples, StepCount, require_counts
from sap_rl.attacks.outside import join, read_spelled
from sap_rl.attacks.pgd import Steps, pgd
from sap_rl.attacks.threat import Threat
from sap_rl.errors import MALFORMED, UsageError, told_of
from sap_rl.files import MAX_WEIGHTS, read_file
from sap_rl.types import Actions, Features, QFunction, QValues, UnitFrames

SPELLED = re.compile(r"learned:(?P<path>.*?)(@(?P<hash>[0-9a-f]+))?", re.DOTALL)
LAYERS = ("mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "action_net")
"""The director's layers by the names of Stable-Baselines3's `MlpPolicy`, tanh between them."""
POOLED = 14
LEARNED_STEPS = 5


@dataclass(frozen=True)
class Learned:
    """SA-RL in PA-AD's action space (Zhang et al. 2021, arXiv 2101.08452; Sun et al. 2022, arXiv
    2106.05087): the director names a rank among the victim's clean scores, and `steps` of PGD move
    the frames towards the action of that rank.

    director: what it sees [B, F] (`sights`) -> a score per rank [B, A]; rank 0, the clean action,
    leaves a frame as it is.
    """

    director: Callable[[Features], QValues]
    steps: int = LEARNED_STEPS
    grad_samples: int = 1

    def __call__(
        self,
        q: QFunction,
        obs: UnitFrames,
        threat: Threat,
        /,
        *,
        generator: torch.Generator,
        label: Actions | None = None,
    ) -> UnitFrames:
        """The frames moved towards the actions that the director chose."""
        values = mean_values(q, obs, samples=self.grad_samples)
        with torch.no_grad():
            rank = self.director(sights(values, obs)).argmax(1, keepdim=True)
        target = values.argsort(1, descending=True).gather(1, rank).squeeze(1)
        found = pgd(
            q, obs, threat, generator=generator, label=target, steps=Steps(self.steps),
            objective=lead, grad_samples=self.grad_samples,
        )  # fmt: skip
        return torch.where(rank.eq(0)[:, :, None, None], obs, found)


def sights(values: QValues, obs: UnitFrames) -> Features:
    """What a director sees [B, F]: the clean scores below the best, in their own order and sorted,
    over their mean; its logarithm; the newest frame, small, and how it differs from the oldest."""
    below = values - values.amax(1, keepdim=True)
    spread = (-below.mean(1, keepdim=True)).clamp(min=1e-6)
    shape = below / spread
    small = F.adaptive_avg_pool2d(obs[:, [0, -1]], POOLED)
    newest, change = small[:, 1].flatten(1), (small[:, 1] - small[:, 0]).flatten(1)
    ordered = shape.sort(1, descending=True).values
    return torch.cat([shape, ordered, spread.log(), newest, change], 1)


def count_sights(actions: int) -> int:
    """F, how many numbers a director sees where there are so many actions."""
    return 2 * actions + 1 + 2 * POOLED**2


def read_tensors(path: Path) -> dict[str, Tensor]:
    """An attacker's file; UsageError in one line for one that is none. Nothing is executed."""
    return _tensors(read_file(path, MAX_WEIGHTS), path)


def _tensors(data: bytes, path: Path) -> dict[str, Tensor]:
    try:
        return dict(load(data))
    except (SafetensorError, *MALFORMED) as error:
        raise UsageError(f"'{path}' is no learned attacker: {told_of(error)}") from error


@dataclass(frozen=True)
class Director:
    """A network of a few layers, tanh between them: what it sees [B, F] -> scores of ranks [B, A].

    layers: weight [out, in] and bias [out] of each.
    """

    layers: tuple[tuple[Tensor, Tensor], ...]

    def __call__(self, seen: Features) -> QValues:
        *hidden, last = [(w.to(seen.device), b.to(seen.device)) for w, b in self.layers]
        for weight, bias in hidden:
            seen = F.linear(seen, weight, bias).tanh()
        return F.linear(seen, *last)


def directed(tensors: Mapping[str, Tensor]) -> Director:
    """The director of an attacker's tensors; RuntimeError or an error of MALFORMED where they make
    none."""
    layers = tuple(
        (tensors[f"{name}.weight"].float(), tensors[f"{name}.bias"].float()) for name in LAYERS
    )
    for name, layer in zip(LAYERS, layers, strict=True):
        if not all(bool(tensor.isfinite().all()) for tensor in layer):
            raise ValueError(f"{name} is not finite")
    inputs, ranks = layers[0][0].shape[1], layers[-1][0].shape[0]
    if inputs != count_sights(ranks):
        raise ValueError(f"{inputs} inputs do not go with {ranks} actions")
    director = Director(layers)
    director(torch.zeros(1, inputs))
    return director


def admit_learned(spelled: str) -> str:
    """Reads the file of `learned:FILE` and puts its attack into `ATTACKS`.

    Returns the name under which it stands there, `learned:FILE@HASH`, of the file's contents. That
    is read too, where the file has that hash. UsageError in one line for a file that is none.
    """
    form = "a learned attack is spelled learned:FILE"
    said, data, found = read_spelled(SPELLED, spelled, MAX_WEIGHTS, form)
    path = Path(said["path"])
    try:
        director = directed(_tensors(data, path))
    except (RuntimeError, *MALFORMED) as error:
        raise UsageError(f"'{path}' is no learned attacker: {told_of(error)}") from error
    called = f"learned:{path.name}@{found}"

    def make(*, steps: StepCount = LEARNED_STEPS, grad_samples: GradSamples = 1) -> Learned:
        require_counts(steps=steps, grad_samples=grad_samples)
        return Learned(director, steps, grad_samples)

    return join(called, AttackFactory(make, needs="gradient"))
