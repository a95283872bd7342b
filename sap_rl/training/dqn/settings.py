"""What a training run is asked to do, checked before anything is played."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sap_rl.attacks.threat import Threat
from sap_rl.errors import UsageError
from sap_rl.networks.quantile import NUM_QUANTILES
from sap_rl.training.dqn.targets import TARGETS
from sap_rl.training.fields import check_fields, read_fields

Network = Literal["nature", "dueling", "quantile"]
Optimizer = Literal["adam", "rmsprop"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class TrainSettings:
    """One training run; the YAMLs of `configs/train/` have exactly these fields.

    steps: agent steps in all (4 emulator frames each), those before a restart included; num_envs:
    games at once; sticky_actions, max_frames: of these games.
    network: nature, dueling (Wang et al. 2016), or quantile with num_quantiles per action (QR-DQN;
    exported as the nature network it folds into); precision: of the passes, bfloat16 where the
    hardware has it with auto.
    target: double or dqn; n_step, gamma: of the return; life_loss: a lost life ends the bootstrap;
    sign_rewards: the learner sees the sign.
    batch_size; update_period: agent steps per update (replay ratio = batch_size / update_period);
    target_period: updates between copies to the target network; warmup_steps: transitions before
    the first update; replay_frames: capacity.
    optimizer: adam or rmsprop (centred); learning_rate, optimizer_eps; max_grad_norm: 0 for none.
    epsilon_start, epsilon_final, epsilon_steps: share of random actions.
    adversarial_lambda: budget in pixels of FGSM on the online network's own greedy action, on
    adversarial_share of the observations that an update learns from (their targets stay clean), 0
    for none.
    restart_warmup_steps: transitions before the first update where weights but no replay survived;
    restart_lr_updates: of the learning rate's rise after `init_from`.
    checkpoint_steps: a boundary for every run, so part of what is computed; save_replay: make
    resuming exact; keep_checkpoints; log_updates: updates per `Updated` event.
    eval_steps: agent steps between evaluations, 0 for none, played after a checkpoint;
    eval_episodes, eval_lambda (0: clean only), eval_seed.
    """

    steps: int = 2_500_000
    num_envs: int = 16
    network: Network = "nature"
    num_quantiles: int = NUM_QUANTILES
    target: str = "double"
    n_step: int = 3
    gamma: float = 0.99
    batch_size: int = 32
    update_period: int = 8
    warmup_steps: int = 20_000
    target_period: int = 2_000
    replay_frames: int = 400_000
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-4
    optimizer_eps: float = 1.5e-4
    max_grad_norm: float = 10.0
    epsilon_start: float = 1.0
    epsilon_final: float = 0.01
    epsilon_steps: int = 250_000
    life_loss: bool = True
    sign_rewards: bool = True
    sticky_actions: float = 0.0
    max_frames: int = 108_000
    precision: Precision = "auto"
    adversarial_lambda: float = 0.0
    adversarial_share: float = 0.2
    restart_warmup_steps: int = 50_000
    restart_lr_updates: int = 1_000
    checkpoint_steps: int = 200_000
    save_replay: bool = False
    keep_checkpoints: int = 2
    log_updates: int = 1_000
    eval_steps: int = 200_000
    eval_episodes: int = 10
    eval_lambda: float = 0.25
    eval_seed: int = 2_000_000

    def __post_init__(self) -> None:
        for name in ("adversarial_lambda", "eval_lambda"):
            try:
                Threat(float(getattr(self, name)))
            except UsageError as error:
                raise UsageError(f"{name}: {error}") from None
        check_fields(
            self,
            counts=(
                "steps", "num_envs", "num_quantiles", "n_step", "batch_size", "update_period",
                "warmup_steps", "target_period", "replay_frames", "max_frames", "checkpoint_steps",
                "keep_checkpoints", "log_updates", "eval_episodes",
            ),
            from_zero=(
                "epsilon_steps", "restart_warmup_steps", "restart_lr_updates", "eval_steps",
                "max_grad_norm",
            ),
            shares=(
                "gamma", "epsilon_start", "epsilon_final", "sticky_actions", "adversarial_share",
            ),
            rates=("learning_rate", "optimizer_eps"),
            choices={
                "network": get_args(Network),
                "target": tuple(TARGETS),
                "optimizer": get_args(Optimizer),
                "precision": get_args(Precision),
            },
        )  # fmt: skip
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
    return TrainSettings(**read_fields(TrainSettings, options))
