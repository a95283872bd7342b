"""What a hardening is asked to do, checked before anything is played."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from sap_rl.corruptions.spelling import read_corruptions
from sap_rl.errors import UsageError
from sap_rl.networks import Scores
from sap_rl.pixels import check_budget
from sap_rl.schema import Option, Unsaid, check, read_fields
from sap_rl.training import options as shared
from sap_rl.training.names import Distance, Precision

OWN_LOSS = "loss"
INNER_OBJECTIVES = (OWN_LOSS, "cross-entropy", "margin")


@dataclass(frozen=True)
class HardenSettings:
    """One hardening; the YAMLs of `configs/harden/` have exactly these fields."""

    lam: Annotated[
        float, Option("budget that the agent is to withstand", "pixels 0..255", name="lambda")
    ] = 1.0
    updates: Annotated[
        int,
        Option(
            "in all, 0 for as many as the minutes allow, counted once and then kept",
            within="from zero",
        ),
    ] = 0
    minutes: Annotated[float, Option("about how long, on this machine", within="from zero")] = 15.0
    loss: Annotated[Distance, Option("between the agent's outputs and the teacher's")] = "policy"
    temperature: Annotated[
        float, Option("of the loss", within="above zero", shown="0.03, 1 for an actor")
    ] = Unsaid(0.03)
    value_weight: Annotated[
        float,
        Option(
            "of the values' own Huber loss beside it",
            within="from zero",
            shown="0.05, 0 for an actor",
        ),
    ] = Unsaid(0.05)
    inner_steps: Annotated[
        int, Option("of the attack inside an update, from a random start", "steps", within="count")
    ] = 1
    inner_size: Annotated[
        float, Option("of a step of that attack", "times lambda", within="above zero")
    ] = 1.25
    inner_objective: Annotated[
        str,
        Option(
            "what it climbs: the loss, or an objective at the teacher's action",
            choices=INNER_OBJECTIVES,
        ),
    ] = "loss"
    lam_ramp: Annotated[
        float, Option("share of the updates over which its budget grows to lambda", within="share")
    ] = 0.0
    batch_size: Annotated[int, Option("tampered examples of an update", within="count")] = 64
    clean_size: Annotated[int, Option("clean examples beside them", within="from zero")] = 16
    bound_weight: Annotated[
        float,
        Option(
            "share of the loss that bounds the worst case by interval arithmetic; it and its "
            "budget grow from nothing over the ramp",
            within="share",
        ),
    ] = 0.0
    corruptions: Annotated[
        str,
        Option(
            "what spoils frames besides the attack, and how badly at most: shift-2,rotate; a name "
            "alone means the middle severity of its audits"
        ),
    ] = ""
    num_envs: shared.NumEnvs = 32
    student_envs: Annotated[
        int,
        Option(
            "of them played by the student under attack, others by the teacher", within="from zero"
        ),
    ] = 21
    teacher_frames: Annotated[
        int, Option("before the first update, all the teacher's", "frames", within="count")
    ] = 28_800
    play_every: Annotated[
        int, Option("between play_steps further steps of all games", "updates", within="count")
    ] = 150
    play_steps: Annotated[int, Option("of all games", "steps", within="count")] = 10
    ring_frames: Annotated[int, Option("frames kept", within="count")] = 60_000
    epsilon: Annotated[
        float,
        Option(
            "share of random actions of all players", within="share", shown="0.02, 0 for an actor"
        ),
    ] = Unsaid(0.02)
    optimizer: shared.Optimizer = "adam"
    learning_rate: Annotated[float, Option("falls in a straight line to 0", within="rate")] = 1e-3
    optimizer_eps: shared.OptimizerEps = 1e-8
    max_grad_norm: shared.MaxGradNorm = 10.0
    precision: Annotated[Precision, Option("of the passes but the first layer's forward ones")] = (
        "auto"
    )
    checkpoint_updates: Annotated[
        int,
        Option(
            "between checkpoints, a boundary for every run, so part of what is computed",
            "updates",
            within="count",
        ),
    ] = 3_000
    save_frames: Annotated[bool, Option("checkpoints hold the frames: resuming is exact")] = True
    keep_checkpoints: shared.KeepCheckpoints = 1
    log_updates: shared.LogUpdates = 100
    eval_updates: Annotated[
        int,
        Option(
            "between evaluations, 0 for none, nor a look whether the agent plays better than "
            "at random",
            "updates",
            within="from zero",
        ),
    ] = 6_000
    eval_episodes: shared.EvalEpisodes = 10
    eval_seed: shared.EvalSeed = 2_000_000

    def __post_init__(self) -> None:
        check_budget(self.lam)
        if self.lam == 0:
            raise UsageError("lambda 0 leaves nothing to harden against; the paper's start at 1")
        check(self)
        read_corruptions(self.corruptions)
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
    return HardenSettings(**read_fields(HardenSettings, options, "training option"))


AN_ACTORS = {"temperature": 1.0, "value_weight": 0.0, "epsilon": 0.0}
"""What is meant for an actor where it is not said: it teaches the distribution by which it samples,
and plays by that alone."""


def settled(settings: HardenSettings, scores: Scores) -> HardenSettings:
    """The settings of a teacher with such scores, all of them said."""
    said = {k: getattr(settings, k) for k in AN_ACTORS}
    actor = scores == "logits"
    meant: dict[str, Any] = {
        k: AN_ACTORS[k] if actor else float(v) for k, v in said.items() if isinstance(v, Unsaid)
    }
    return replace(settings, **meant) if meant else settings


def asked(**given: Any) -> dict[str, Any]:
    """The settings that are given, those that are None left out.

    Minutes without a number of updates mean as many updates as they allow.
    """
    found = {name: value for name, value in given.items() if value is not None}
    if "minutes" in found:
        found.setdefault("updates", 0)
    return found
