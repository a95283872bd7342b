"""Agents: networks with their preprocessing, and where the shipped ones are found."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import torch
from torch import Tensor, nn

from sap_rl.atari.games import canonical_game
from sap_rl.atari.protocol import EPSILON, Frames, Preprocess
from sap_rl.attacks.gradients import mean_values
from sap_rl.defenses import DEFENSES, parse_defense
from sap_rl.defenses.activations import has_streams, reseed_parts, shared_copy
from sap_rl.errors import UsageError, unknown
from sap_rl.networks import Scores
from sap_rl.networks.actors import sampled
from sap_rl.networks.adapt import Transformed, actions_of, require_values, takes_unit
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.device import usable_device
from sap_rl.networks.hub import stated_by_hub
from sap_rl.networks.loaders import LOADERS
from sap_rl.networks.lookup import find_agent, shipped_agents
from sap_rl.networks.modules import Understood, is_network, understood
from sap_rl.networks.precision import PRECISIONS, half_precision
from sap_rl.networks.reading.request import Request
from sap_rl.networks.recognition import load_checkpoint
from sap_rl.networks.scale import in_own_scale, require_divided_once
from sap_rl.pixels import pixel_array, require_pixels, to_unit
from sap_rl.seeds import numpy_stream
from sap_rl.types import ActionArray, QValues

Transform = Callable[[Tensor], Tensor]
"""A module's own preprocessing: pixels 0..255 [B, K, H, W] -> whatever the module takes."""

__all__ = ["Agent", "find_agent", "load_agent", "shipped_agents"]


@dataclass(frozen=True, repr=False)
class Agent:
    """A Q-network or an actor that plays pixels.

    module: unit frames [B, K, H, W] -> scores [B, num_actions], action values or an actor's logits
    as `scores` says; preprocess: what it sees; game: the one it was trained on, None if unknown;
    kind: of network, as in `NETWORKS`, None for a module of one's own; defense: spelling of the
    defence it carries; policy_samples: passes averaged per action; device: where it computes;
    facts: what its file states; explorer: draws for `predict(deterministic=False)`; format: of
    `LOADERS`, None for what no file was read for.
    """

    module: nn.Module
    preprocess: Preprocess
    name: str
    game: str | None = None
    num_actions: int | None = None
    kind: str | None = None
    sha256: str | None = None
    defense: str | None = None
    policy_samples: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    facts: dict[str, Any] = field(default_factory=dict)
    format: str | None = None
    scores: Scores = "values"
    explorer: np.random.Generator = field(
        default_factory=lambda: _explorer(), repr=False, compare=False
    )

    def __repr__(self) -> str:
        said = [self.name, *([f"plays {self.game}"] if self.game else [])]
        kind = self.kind or type(self.module).__name__
        said += [f"{kind} actor" if self.scores == "logits" else kind]
        said += [f"{self.num_actions} actions"]
        said += [f"behind {self.defense}"] if self.defense else []
        return f"Agent({', '.join(said)})"

    def q_values(self, pixels: np.ndarray | Tensor | Any) -> QValues:
        """Scores [B, A] of frames [B, K, H, W] in 0..255, uint8 or float32.

        The mean over `policy_samples` passes, without a graph. UsageError where it is not finite.
        """
        if not isinstance(pixels, Tensor):
            pixels = pixel_array(pixels)
            require_pixels(pixels)
            # A copy: torch warns of read-only arrays.
            pixels = torch.from_numpy(np.array(pixels, order="C"))
        obs = pixels.to(self.device)
        if obs.ndim != 4 or tuple(obs.shape[1:]) != self.preprocess.shape:
            raise UsageError(
                f"agent '{self.name}' sees [B, {', '.join(map(str, self.preprocess.shape))}] "
                f"frames, got {list(obs.shape)}"
            )
        found = mean_values(self.q_function, to_unit(obs), samples=self.policy_samples)
        require_values(f"agent '{self.name}'", found, len(obs))
        return found

    def act(self, pixels: np.ndarray | Tensor | Any) -> ActionArray:
        """The greedy action per environment."""
        return self.q_values(pixels).argmax(1).cpu().numpy()

    def predict(
        self,
        obs: np.ndarray | Any,
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """Actions as Stable-Baselines3's `predict` gives them, for one observation or a batch.

        obs: [K, H, W], [B, K, H, W] or channels last. deterministic=False samples an actor's
        actions, and replaces a Q-network's by uniform ones with the protocol's epsilon; a random
        defence stays random either way. UsageError for what is surely no frame in 0..255.
        """
        pixels = pixel_array(obs)
        single = pixels.ndim == 3
        pixels = self._channels_first(pixels[None] if single else pixels)
        values = self.q_values(pixels)
        actions = values.argmax(1).cpu().numpy()
        if not deterministic and self.scores == "logits":
            actions = sampled(values, self.explorer)
        elif not deterministic:
            explore = self.explorer.random(len(actions)) < EPSILON
            others = self.explorer.integers(values.shape[1], size=len(actions))
            actions = np.where(explore, others, actions)
        return (actions.squeeze(0) if single else actions), state

    @property
    def q_function(self) -> nn.Module:
        """The callable that attacks see: unit frames -> action values."""
        return self.module

    def defend(self, name: str, **options: Any) -> Agent:
        """The same agent behind a defence, e.g. `agent.defend("sap-100", seed=0)`.

        A new agent that shares the network's Parameters; UsageError for an unknown defence or
        option. See `DEFENSES` for what each takes.
        """
        kind, parsed = parse_defense(name)
        for option in parsed.keys() & options.keys():
            raise UsageError(f"defense '{name}' already says {option}={parsed[option]:g}")
        options |= parsed
        try:
            inspect.signature(DEFENSES[kind].make).bind(self.module, **options)
        except TypeError as error:
            raise UsageError(f"defense '{name}': {error}") from error
        module = DEFENSES[kind](self.module, **options)
        spelled = f"{self.defense}+{name}" if self.defense else name
        return replace(self, module=module, defense=spelled, explorer=_explorer())

    def in_precision(self, precision: str) -> Agent:
        """The same agent computed in float32 (itself) or bfloat16 (a rounded copy)."""
        if precision not in PRECISIONS:
            raise unknown("precision", precision, PRECISIONS)
        if precision == "float32":
            return self
        return replace(self, module=half_precision(self.module, PRECISIONS[precision]))

    def reseeded(self, seed: int) -> Agent:
        """A second player: shares Parameters, every stream of its own starts from `seed`.

        With the same module where nothing in it has a stream.
        """
        module = self.module
        if has_streams(module):
            module = shared_copy(module)
            reseed_parts(module, seed)
        return replace(self, module=module, explorer=_explorer(seed))

    def _channels_first(self, pixels: np.ndarray) -> np.ndarray:
        frames, height, width = self.preprocess.shape
        if pixels.shape[1:] == (height, width, frames):
            return np.moveaxis(pixels, -1, 1)
        return pixels


def require_newest(agent: Agent, frames: Frames) -> None:
    """UsageError where an attacker of the newest frame alone would reach one colour of it."""
    if frames == "newest" and agent.preprocess.planes > 1:
        raise UsageError(f"frames=newest needs grey frames; agent '{agent.name}' sees colour")


def _explorer(seed: int = 0) -> np.random.Generator:
    """The stream of `predict(deterministic=False)`."""
    return numpy_stream(seed, "epsilon")


def load_agent(
    ref: str | Path | nn.Module | Any,
    *,
    format: str | None = None,
    preprocess: Preprocess | Mapping[str, Any] | Transform | Any | None = None,
    device: str | torch.device = "cpu",
    game: str | None = None,
    entry: str | None = None,
    scores: str | None = None,
) -> Agent:
    """An agent by a game's or agent's name, from a file or folder, `hub:owner/name`, or a module.

    format: of `LOADERS`, recognised by the file's tensors where it is not given; preprocess: what
    the network sees, where it is not the format's own, whole or as a mapping of entries of
    `Preprocess`; game: the one it plays, for what a file does not say; entry: of a file, that holds
    the network where several could; scores: of a module, `values` of a Q-network or an actor's
    `logits`, by which its actions are sampled. Nothing of a file is executed; UsageError in one
    line, with the question where a file leaves something open.

    A module, which is moved to `device` and put into evaluation mode, gives scores [B, A], action
    values unless `scores` says otherwise, of unit frames [B, K, H, W], four of 84x84 unless
    `preprocess` does; one that divides its frames itself takes pixels. preprocess may also be its
    own preprocessing: a differentiable function of pixels 0..255 [B, K, H, W], float32, whose value
    it takes. Models of Stable-Baselines3 (DQN, QR-DQN, PPO, A2C), and their networks, say
    themselves what they see and give. A compiled module is what it compiles; one in another
    precision is copied to float32, which `facts` says.
    """
    if scores is not None and scores not in get_args(Scores):
        raise unknown("scores", str(scores), get_args(Scores))
    place = usable_device(device)
    game = canonical_game(game) if game is not None else None
    if not isinstance(ref, str | Path):
        if not is_network(ref):
            cure = " (put it into its module first)" if isinstance(ref, Mapping) else ""
            raise UsageError(
                "an agent is a name, a file, a module or a model of Stable-Baselines3, got a "
                f"{type(ref).__name__}{cure}"
            )
        gives = cast(Scores | None, scores)
        return understood(ref).made(lambda found: _of(found, preprocess, place, game, gives))
    if scores is not None:
        raise UsageError("scores goes with a module; a file's format says what it gives")
    return from_checkpoint(read_checkpoint(ref, format, preprocess, game, entry), place)


def read_checkpoint(
    ref: str | Path,
    format: str | None = None,
    preprocess: Preprocess | Mapping[str, Any] | Transform | None = None,
    game: str | None = None,
    entry: str | None = None,
) -> Checkpoint:
    """What stands at a reference, before it becomes an agent; arguments as in `load_agent`."""
    if callable(preprocess):
        raise UsageError("a function as preprocess goes with a module, not with a file")
    if format is not None and format not in LOADERS:
        raise unknown("format", format, LOADERS)
    stated = stated_by_hub(str(ref))
    request = Request(game or stated.get("game"), {} if preprocess is None else preprocess, entry)
    checkpoint = load_checkpoint(find_agent(ref), format, request)
    return replace(checkpoint, facts=checkpoint.facts | stated)


def from_checkpoint(checkpoint: Checkpoint, device: str | torch.device = "cpu") -> Agent:
    """The agent that a checkpoint makes."""
    place = usable_device(device)
    return Agent(
        takes_unit(checkpoint.module, checkpoint.preprocess).to(place),
        checkpoint.preprocess,
        checkpoint.name,
        game=checkpoint.game,
        num_actions=checkpoint.num_actions,
        kind=checkpoint.kind,
        sha256=checkpoint.sha256,
        device=place,
        facts=checkpoint.facts,
        format=checkpoint.format,
        scores=checkpoint.scores,
    )


def _of(
    found: Understood,
    preprocess: Preprocess | Mapping[str, Any] | Transform | Any | None,
    device: torch.device,
    game: str | None,
    scores: Scores | None,
) -> Agent:
    sees = Preprocess()
    module = found.network.to(device).eval()
    if callable(preprocess):
        module = Transformed(module, preprocess)
        require_divided_once(module, found.name, sees.shape, device)
    else:
        request = Request(game, {} if preprocess is None else preprocess)
        sees = request.settle(Preprocess(**found.said))
        sees = in_own_scale(module, sees, request.beside(found.said), device)
        module = takes_unit(module, sees)
    actions = actions_of(module, sees, device)
    return Agent(
        module, sees, found.name, game=game, num_actions=actions, device=device,
        facts={**found.facts}, scores=scores or found.scores or "values",
    )  # fmt: skip
