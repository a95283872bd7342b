"""What the wrappers share: building the adversary, spaces, and moving arrays in and out."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from sap_rl.agents import Agent, require_newest
from sap_rl.atari.protocol import Frames, Norm, Observation, Preprocess
from sap_rl.attacks import attack_options, make_attack, require_norm
from sap_rl.attacks.adversary import Adversary, Attacked
from sap_rl.attacks.gradients import default_grad_samples
from sap_rl.attacks.names import may_abstain
from sap_rl.attacks.schedule import parse_schedule
from sap_rl.attacks.threat import Threat
from sap_rl.corruptions.sighting import Sighting
from sap_rl.errors import UsageError, told_of
from sap_rl.networks.adapt import (
    AsTrained,
    actions_of,
    require_untouched,
    require_values,
    takes_unit,
)
from sap_rl.networks.modules import Understood, is_network, understood
from sap_rl.networks.reading.request import Request
from sap_rl.networks.scale import in_own_scale
from sap_rl.pixels import PIXEL_MAX
from sap_rl.seeds import stream_seed, torch_stream
from sap_rl.types import QFunction

IDLE_SHARE = 0.5
"""Share of pixels without a gradient above which an attack is weak beyond doubt."""
LOOK = 16
"""Attacked frames after which it is known whether a gradient reaches them."""


class Skin:
    """An adversary that speaks numpy.

    victim: an Agent, a module or model as `load_agent` takes it, or a QFunction; space: the
    environment's observation space for one environment, a Box of pixels [K, H, W]; actions: its
    action space; other options as in `AdversarialObservation`. The victim of an Agent or a module
    has streams of its own: attacking never moves the player's. title: the entry of `info` that says
    what it did.
    """

    title = "adversary"

    def __init__(
        self,
        victim: Agent | QFunction | Any,
        space: spaces.Space[Any],
        actions: spaces.Space[Any],
        *,
        attack: str,
        lam: float,
        observation: Observation,
        frames: Frames,
        norm: Norm,
        seed: int,
        options: dict[str, Any],
    ) -> None:
        threat = Threat(lam, frames, observation, norm)
        schedule = parse_schedule(options.get("schedule", "every"))
        options = {name: value for name, value in options.items() if name != "schedule"}
        box = pixel_box(space, observation)
        self._source = _understood(victim, box)
        agent = self._source if isinstance(self._source, Agent) else None
        if agent is not None and agent.preprocess.shape != box.shape:
            raise UsageError(
                f"the victim '{agent.name}' sees {agent.preprocess.shape} frames, "
                f"the environment gives {box.shape}"
            )
        if agent is not None:
            require_newest(agent, frames)
        self.device = agent.device if agent is not None else torch.device("cpu")
        look = torch.rand((1, *box.shape), generator=torch_stream(0, "look")).to(self.device)
        _require_values(self._victim(seed), look, actions)
        if "grad_samples" in attack_options(attack) and "grad_samples" not in options:
            samples = default_grad_samples(self._victim(seed), look)
            options = options | {"grad_samples": samples}
        made = make_attack(attack, **options)
        require_norm(attack, norm)
        self.adversary = Adversary(self._victim(seed), made, threat, seed, schedule)
        dtype = np.uint8 if observation == "uint8" else np.float32
        self.space = spaces.Box(0, int(PIXEL_MAX), box.shape, dtype)
        self._idle: list[float] | None = None if may_abstain(attack) else []

    def reseed(self, seed: int) -> None:
        """Start the attacker's randomness and the victim's again, forget every history."""
        self.adversary.victim = self._victim(seed)
        self.adversary.reseed(seed)

    def perturb(self, pixels: np.ndarray, first: np.ndarray, rows: list[int]) -> Attacked:
        """Attack numpy frames [B, K, H, W]; `first` [B] and `rows` as in `Adversary.perturb`."""
        tensor = torch.from_numpy(np.array(pixels, order="C")).to(self.device)
        attacked = self.adversary.perturb(tensor, torch.as_tensor(first), rows)
        if self._idle is not None and attacked.cost.backward:
            self._look_for_gradients(attacked, self._idle)
        return attacked

    def _look_for_gradients(self, attacked: Attacked, idle: list[float]) -> None:
        """Warn, once, of an attack whose gradient reaches less than half of the pixels."""
        idle += attacked.idle[attacked.struck].tolist()
        if len(idle) < LOOK:
            return
        self._idle, share = None, float(np.mean(idle))
        if share > IDLE_SHARE:
            warnings.warn(
                f"{share:.0%} of the movable pixels had no gradient at all, as where a victim "
                "rounds inside: this attack is weak, use square or spsa",
                stacklevel=4,
            )

    def _victim(self, seed: int) -> QFunction:
        if isinstance(self._source, Agent):
            return self._source.reseeded(stream_seed(seed, "victim")).q_function
        return self._source


def _understood(given: Any, box: spaces.Box) -> Agent | QFunction:
    """A module or model with what it sees, on the device where it is; a function of unit frames,
    where one divides pixels itself."""
    if isinstance(given, Agent):
        return given
    if isinstance(given, str):
        raise UsageError(f"the victim is an agent, not its name: give load_agent('{given}')")
    frames, height, width = box.shape
    size: dict[str, Any] = {"frames": frames, "height": height, "width": width}
    if not is_network(given):
        sees = in_own_scale(given, Preprocess(**size), Request(), torch.device("cpu"))
        return given if sees.scale == "unit" else AsTrained(given, sees)
    return understood(given).made(lambda found: _of(found, size))


def _of(found: Understood, size: dict[str, Any]) -> Agent:
    parameter = next(found.network.parameters(), torch.empty(0))
    request = Request(preprocess=found.said)
    sees = Preprocess(**{**size, **found.said})
    sees = in_own_scale(found.network, sees, request, parameter.device)
    module = takes_unit(found.network, sees)
    if found.otherwise is not None:
        actions_of(module, sees, parameter.device)
    return Agent(module, sees, found.name, device=parameter.device)


def _require_values(victim: QFunction, look: Tensor, actions: spaces.Space[Any]) -> None:
    """UsageError for a victim that gives no values of a frame, or chooses among others than the
    environment offers."""
    shown = look.clone()
    try:
        with torch.no_grad():
            values = victim(shown)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise UsageError(
            f"the victim cannot take unit floats {list(look.shape)}: {told_of(error)}"
        ) from error
    require_values("the victim", values, len(look))
    require_untouched("the victim", shown, look)
    if isinstance(actions, spaces.Discrete) and values.shape[1] != actions.n:
        raise UsageError(f"the victim has {values.shape[1]} actions, the environment {actions.n}")


def pixel_box(space: spaces.Space[Any], observation: Observation) -> spaces.Box:
    """The space of one environment's frames; UsageError for what is no pixels, or where tampered
    ones could not arrive as the `observation` says."""
    if (
        not isinstance(space, spaces.Box)
        or space.dtype not in (np.uint8, np.float32)
        or len(space.shape) != 3
        or not (np.all(space.low == 0) and np.all(space.high == PIXEL_MAX))
    ):
        raise UsageError(
            "observations must be a Box of pixels [K, H, W] in 0..255, uint8 or float32, got "
            f"{' '.join(str(space).split())}; stack, resize and do not scale frames before "
            "attacking them"
        )
    if observation == "uint8" and space.dtype != np.uint8:
        raise UsageError(
            f'the environment gives {space.dtype} frames; attack them with observation="float"'
        )
    return space


def facts(tampered: Attacked | Sighting) -> dict[str, np.ndarray]:
    """What goes into `info`: per environment the distance in pixels and the victim's label, if
    there is a victim."""
    found = {"linf": tampered.linf, "label": tampered.label}
    return {name: value.cpu().numpy() for name, value in found.items() if value is not None}
