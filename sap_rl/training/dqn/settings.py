"""What a training run is asked to do, checked before anything is played."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from sap_rl.attacks.budget import check_budget
from sap_rl.errors import UsageError
from sap_rl.networks import NUM_QUANTILES
from sap_rl.schema import Option, check, read_fields
from sap_rl.training import options as shared
from sap_rl.training.names import Network, Precision, Target


@dataclass(frozen=True)
class TrainSettings:
    """One training run; the YAMLs of `configs/train/`, but zoo.yaml, have exactly these fields."""

    steps: Annotated[
        int,
        Option(
            "in all (4 emulator frames each), those before a restart included",
            "agent steps",
            within="count",
            name="agent_steps",
        ),
    ] = 2_500_000
    num_envs: shared.NumEnvs = 16
    network: Annotated[
        Network,
        Option(
            "dueling as Wang et al. 2016; quantile as QR-DQN, exported as the nature network "
            "it folds into"
        ),
    ] = "nature"
    num_quantiles: Annotated[int, Option("per action of the quantile network", within="count")] = (
        NUM_QUANTILES
    )
    target: Annotated[Target, Option("of the update")] = "double"
    n_step: Annotated[int, Option("of the return", "agent steps", within="count")] = 3
    gamma: Annotated[float, Option("discount", within="share")] = 0.99
    batch_size: Annotated[int, Option("transitions of an update", within="count")] = 32
    update_period: Annotated[
        int,
        Option(
            "per update; the replay ratio is batch_size / update_period",
            "agent steps",
            within="count",
        ),
    ] = 8
    warmup_steps: Annotated[
        int, Option("before the first update", "transitions", within="count")
    ] = 20_000
    target_period: Annotated[
        int, Option("between copies to the target network", "updates", within="count")
    ] = 2_000
    replay_frames: Annotated[int, Option("capacity of the replay", "frames", within="count")] = (
        400_000
    )
    optimizer: shared.Optimizer = "adam"
    learning_rate: Annotated[float, Option("of the optimizer", within="rate")] = 1e-4
    optimizer_eps: shared.OptimizerEps = 1.5e-4
    max_grad_norm: shared.MaxGradNorm = 10.0
    epsilon_start: Annotated[float, Option("share of random actions at first", within="share")] = (
        1.0
    )
    epsilon_final: Annotated[
        float, Option("share of random actions from epsilon_steps on", within="share")
    ] = 0.01
    epsilon_steps: Annotated[
        int, Option("over which that share falls", "agent steps", within="from zero")
    ] = 250_000
    life_loss: Annotated[bool, Option("a lost life ends the bootstrap")] = True
    sign_rewards: Annotated[bool, Option("the learner sees the sign of rewards")] = True
    sticky_actions: Annotated[
        float, Option("probability of repeating the last action", within="share")
    ] = 0.0
    max_frames: Annotated[int, Option("cap of a game", "emulator frames", within="count")] = 108_000
    precision: Annotated[
        Precision, Option("of the passes; auto is bfloat16 where the hardware has it")
    ] = "auto"
    adversarial_lambda: Annotated[
        float,
        Option(
            "budget of FGSM on the online network's own greedy action, 0 for none", "pixels 0..255"
        ),
    ] = 0.0
    adversarial_share: Annotated[
        float,
        Option("attacked observations of an update; their targets stay clean", within="share"),
    ] = 0.2
    robust_weight: Annotated[
        float,
        Option(
            "of SA-DQN's hinge in the loss, at the budget of adversarial_lambda; 0 for none",
            within="from zero",
        ),
    ] = 0.0
    robust_hinge: Annotated[
        float, Option("lead of the greedy action from which the hinge is flat", within="from zero")
    ] = 1.0
    robust_steps: Annotated[int, Option("of PGD towards the worst lead", within="count")] = 5
    restart_warmup_steps: Annotated[
        int,
        Option(
            "before the first update where weights but no replay survived",
            "transitions",
            within="from zero",
        ),
    ] = 50_000
    restart_lr_updates: Annotated[
        int, Option("of the learning rate's rise after --init-from", "updates", within="from zero")
    ] = 1_000
    checkpoint_steps: Annotated[
        int,
        Option(
            "between checkpoints, a boundary for every run, so part of what is computed",
            "agent steps",
            within="count",
        ),
    ] = 200_000
    save_replay: Annotated[bool, Option("checkpoints hold the replay: resuming is exact")] = False
    keep_checkpoints: shared.KeepCheckpoints = 2
    log_updates: shared.LogUpdates = 1_000
    eval_steps: Annotated[
        int,
        Option(
            "between evaluations, played after a checkpoint, 0 for none",
            "agent steps",
            within="from zero",
        ),
    ] = 200_000
    eval_episodes: shared.EvalEpisodes = 10
    eval_lambda: Annotated[
        float, Option("budget of its attack, 0 for clean play alone", "pixels 0..255")
    ] = 0.25
    eval_seed: shared.EvalSeed = 2_000_000

    def __post_init__(self) -> None:
        for name in ("adversarial_lambda", "eval_lambda"):
            try:
                check_budget(float(getattr(self, name)))
            except UsageError as error:
                raise UsageError(f"{name}: {error}") from None
        check(self)
        if self.robust_weight and not self.adversarial_lambda:
            raise UsageError(
                f"robust_weight {self.robust_weight:g} needs a budget: adversarial_lambda above 0"
            )
        if self.replay_frames < self.warmup_steps:
            raise UsageError(
                f"replay_frames {self.replay_frames} cannot hold warmup_steps {self.warmup_steps}"
            )


CHANGEABLE = frozenset(
    {"steps", "keep_checkpoints", "log_updates", "eval_steps", "eval_episodes", "eval_lambda",
     "eval_seed", "save_replay"}
)  # fmt: skip
"""Fields that may differ when a run is resumed: they change no update."""


def train_settings(options: Mapping[str, Any]) -> TrainSettings:
    """Settings from options by name, as a YAML or a command line gives them.

    Numbers may be spelled 2.5e6. UsageError for an unknown name or an unusable value.
    """
    return TrainSettings(**read_fields(TrainSettings, options, "training option"))
