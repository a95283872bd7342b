"""What a classifier's training and evaluation are asked to do, checked before either begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from sap_rl.attacks.budget import check_budget
from sap_rl.schema import Option, check, read_fields

Schedule = Literal["one-cycle", "halving"]


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
