"""What a classifier's training and evaluation are asked to do, checked before either begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from sap_rl.attacks.names import ATTACK_NAMES, DEFAULT_ATTACK
from sap_rl.defenses import parse_defense
from sap_rl.defenses.names import DEFAULT_DEFENSE, Backward
from sap_rl.errors import UsageError
from sap_rl.pixels import check_budget, check_budgets
from sap_rl.plain import OptionValue
from sap_rl.schema import Option, check, numbers, read_fields, text

Schedule = Literal["one-cycle", "halving"]
Victim = Literal["self", "original"]
NormStatistics = Literal["running", "batch"]

LAMS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""The paper's budgets."""
FIGURE_NAMES = (
    "percent", "defences", "calibration", "samples", "iterative", "noise", "audit",
)  # fmt: skip
ROWS = 250
"""Images of a pass, those of folded passes counted: a gradient of the paper's network with SAP
then stays within 2 GB."""
PASSES = 100
"""The paper's, per averaged gradient of a one-step attack and per prediction."""
PASSES_OF_STEPS = 10
"""The paper's, per step of an iterative attack."""


def read_defense(value: Any) -> str | None:
    """The defence of a spelling, None for `none`; UsageError for an unknown one."""
    spelling = text(value)
    if spelling == "none":
        return None
    parse_defense(spelling)
    return spelling


@dataclass(frozen=True)
class ClassifierTraining:
    """One training; the YAMLs of `configs/vision/` have exactly these fields."""

    epochs: Annotated[int, Option("over the training images", within="count")] = 30
    batch_size: Annotated[int, Option("images of an update", within="count")] = 512
    schedule: Annotated[
        Schedule, Option("one-cycle: up in a straight line, then down to 0; halving: by halves")
    ] = "one-cycle"
    learning_rate: Annotated[float, Option("the highest", within="above zero")] = 0.5
    warmup_share: Annotated[
        float, Option("of the updates, on which one-cycle goes up", within="rate")
    ] = 0.2
    halve_epochs: Annotated[
        float, Option("between halvings of the rate", "epochs", within="above zero")
    ] = 10.0
    momentum: Annotated[float, Option("of SGD", within="share")] = 0.9
    weight_decay: Annotated[float, Option("of SGD, on every weight", within="from zero")] = 5e-4
    padding: Annotated[
        int, Option("black around an image before a part is cut out", "pixels", within="from zero")
    ] = 2
    crop: Annotated[int, Option("side of that part", "pixels", within="count")] = 28
    jitter: Annotated[
        float, Option("brightness, contrast and saturation change by up to", within="share")
    ] = 0.1
    adversarial_lambda: Annotated[
        float, Option("of FGSM on the last epoch's network", "pixels 0..255", within="from zero")
    ] = 0.0
    adversarial_share: Annotated[
        float, Option("of each batch that is attacked so", within="share")
    ] = 0.2
    stop_accuracy: Annotated[
        float,
        Option("ends at the first epoch with so much on the test images, 0 never", "%",
               within="from zero"),
    ] = 0.0  # fmt: skip

    def __post_init__(self) -> None:
        check_budget(self.adversarial_lambda)
        check(self)


def classifier_training(options: Mapping[str, Any]) -> ClassifierTraining:
    """Settings from options by name, as a YAML or a command line gives them.

    UsageError for an unknown name or an unusable value.
    """
    return ClassifierTraining(**read_fields(ClassifierTraining, options, "training option"))


@dataclass(frozen=True)
class ClassifierSettings:
    """One evaluation of a classifier; UsageError for what cannot be computed.

    attack_options: the attack's own but its grad_samples; `pgd` without any takes the paper's
    steps, see `evaluate_classifier`.
    """

    lams: Annotated[
        tuple[float, ...],
        Option("attack budgets, one or several", "pixels 0..255", name="lambda", read=numbers),
    ] = LAMS
    defense: Annotated[str | None, Option("sap-100 (any sap-K) or none", read=read_defense)] = (
        DEFAULT_DEFENSE
    )
    attack: Annotated[
        str, Option("how images are tampered with", choices=tuple(ATTACK_NAMES), kind="attack")
    ] = DEFAULT_ATTACK
    attack_options: Annotated[
        dict[str, OptionValue], Option("the attack's own, see `sap-rl attacks NAME`", hidden=True)
    ] = field(default_factory=dict)
    grad_samples: Annotated[
        int | None,
        Option(
            "averaged per gradient of a random victim", "passes", within="count",
            shown=f"{PASSES}, {PASSES_OF_STEPS} for attacks of several steps",
        ),
    ] = None  # fmt: skip
    policy_samples: Annotated[
        int, Option("averaged per prediction of a random classifier", "passes", within="count")
    ] = PASSES
    victim: Annotated[
        Victim, Option("whose gradient: the attacked classifier's own, or the undefended one's")
    ] = "self"
    backward: Annotated[
        Backward | None,
        Option("the defence's backward mode in the attacker's copy", kind="backward mode",
               shown="the defence's own"),
    ] = None  # fmt: skip
    norms: Annotated[
        NormStatistics,
        Option("batch norm of the attacked copy; batch: of its own batch, as the paper's code did"),
    ] = "running"
    attack_batch: Annotated[
        int,
        Option("images that a gradient takes together; statistics of `norms batch` are theirs",
               within="count"),
    ] = ROWS  # fmt: skip
    seed: Annotated[int, Option("everything random follows from it")] = 0

    def __post_init__(self) -> None:
        check(self)
        check_budgets(self.lams)
        if self.attack_batch > ROWS:
            raise UsageError(f"attack_batch must be at most {ROWS}, got {self.attack_batch}")
        if self.defense is not None:
            parse_defense(self.defense)
        if self.backward is not None and (self.defense is None or self.victim == "original"):
            raise UsageError(
                f"backward {self.backward} is of a defence's gradient, and the undefended "
                "classifier's is used"
            )
        if "grad_samples" in self.attack_options:
            raise UsageError("grad_samples is an option of its own, not of attack_options")
