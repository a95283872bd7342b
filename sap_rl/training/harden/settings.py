"""What a hardening is asked to do, checked before anything is played."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from sap_rl.attacks.threat import Threat
from sap_rl.errors import UsageError
from sap_rl.training.dqn.settings import Optimizer, Precision
from sap_rl.training.fields import check_fields, read_fields
from sap_rl.training.harden.distances import DISTANCES

OWN_LOSS = "loss"
INNER_OBJECTIVES = (OWN_LOSS, "cross-entropy", "margin")


@dataclass(frozen=True)
class HardenSettings:
    """One hardening.

    lam: budget that the agent is to withstand, pixel units; updates: in all, 0 for as many as
    `minutes` allow, which are counted once and then kept.
    loss: of `DISTANCES`, at `temperature`; value_weight: of the values' own Huber loss beside it.
    inner_steps, inner_size: of the attack inside an update, from a random start; inner_size in
    units of lam; inner_objective: what it climbs, the `loss` itself, or an attack's objective at
    the teacher's action. lam_ramp: share of the updates over which its budget grows to lam.
    batch_size: tampered examples of an update; clean_size: clean ones beside them.
    bound_weight: share of the loss that bounds the worst case by interval arithmetic, 0 for none;
    it and its budget grow from nothing over the ramp.
    num_envs: games at once; student_envs: of them played by the student under attack, the others by
    the teacher; teacher_frames: before the first update, all the teacher's; play_every: updates
    between `play_steps` further steps of all games; ring_frames: kept; epsilon: of all players.
    optimizer, learning_rate (falls in a straight line to 0), optimizer_eps, max_grad_norm;
    precision: of the passes but the first layer's forward ones.
    checkpoint_updates: a boundary for every run, so part of what is computed; save_frames: make
    resuming exact; log_updates: per `HardenUpdated` event.
    eval_updates: between evaluations, 0 for none, nor a look whether the agent plays better than
    at random; eval_episodes; eval_seed.
    """

    lam: float = 1.0
    updates: int = 0
    minutes: float = 15.0
    loss: str = "policy"
    temperature: float = 0.03
    value_weight: float = 0.05
    inner_steps: int = 1
    inner_size: float = 1.25
    inner_objective: str = "loss"
    lam_ramp: float = 0.0
    batch_size: int = 64
    clean_size: int = 16
    bound_weight: float = 0.0
    num_envs: int = 32
    student_envs: int = 21
    teacher_frames: int = 28_800
    play_every: int = 150
    play_steps: int = 10
    ring_frames: int = 60_000
    epsilon: float = 0.02
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    optimizer_eps: float = 1e-8
    max_grad_norm: float = 10.0
    precision: Precision = "auto"
    checkpoint_updates: int = 3_000
    save_frames: bool = True
    keep_checkpoints: int = 1
    log_updates: int = 100
    eval_updates: int = 6_000
    eval_episodes: int = 10
    eval_seed: int = 2_000_000

    def __post_init__(self) -> None:
        Threat(self.lam)
        if self.lam == 0:
            raise UsageError("lambda 0 leaves nothing to harden against; the paper's start at 1")
        check_fields(
            self,
            counts=(
                "inner_steps", "batch_size", "num_envs", "teacher_frames", "play_every",
                "play_steps", "ring_frames", "checkpoint_updates", "keep_checkpoints",
                "log_updates", "eval_episodes",
            ),
            from_zero=(
                "updates", "minutes", "value_weight", "clean_size", "student_envs",
                "max_grad_norm", "eval_updates",
            ),
            above_zero=("temperature", "inner_size"),
            shares=("lam_ramp", "bound_weight", "epsilon"),
            rates=("learning_rate", "optimizer_eps"),
            choices={
                "loss": DISTANCES,
                "inner_objective": INNER_OBJECTIVES,
                "optimizer": get_args(Optimizer),
                "precision": get_args(Precision),
            },
        )  # fmt: skip
        if not self.updates and not self.minutes:
            raise UsageError("say how long: minutes or updates, at least one above 0")
        if self.student_envs > self.num_envs:
            raise UsageError(f"student_envs {self.student_envs} of num_envs {self.num_envs} games")


HARDEN_CHANGEABLE = frozenset(
    {"minutes", "keep_checkpoints", "log_updates", "eval_updates", "eval_episodes", "eval_seed",
     "save_frames"}
)  # fmt: skip
"""Fields that may differ when a hardening is resumed: they change no update."""


def harden_settings(options: Mapping[str, Any]) -> HardenSettings:
    """Settings from options by name, as a YAML or a command line gives them (`lambda` is lam).

    UsageError for an unknown name or an unusable value.
    """
    named = {("lam" if name == "lambda" else name): value for name, value in options.items()}
    return HardenSettings(**read_fields(HardenSettings, named))


def asked(**given: Any) -> dict[str, Any]:
    """Of settings, what the given ones change: None is not given, and minutes without updates mean
    as many as they allow."""
    found = {name: value for name, value in given.items() if value is not None}
    if "minutes" in found:
        found.setdefault("updates", 0)
    return found
