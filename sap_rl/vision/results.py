"""What an evaluation of a classifier found, typed to its leaves."""

from __future__ import annotations

from dataclasses import dataclass, field

from sap_rl.plain import numbered_json, read_numbered
from sap_rl.statistics.calibration import Calibration
from sap_rl.vision.settings import ClassifierSettings

FORMAT = 1
"""The number of the JSON's format."""


@dataclass(frozen=True)
class ClassifierRow:
    """What is left at one lambda.

    accuracy: in percent, with its Wilson 95% interval; largest: change of a pixel that the referee
    measured, in pixels; wrong: places of the images that were classified wrongly, from 0.
    """

    lam: float
    images: int
    accuracy: float
    low: float
    high: float
    largest: float
    calibration: Calibration
    wrong: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True)
class ClassifierEvaluation:
    """Rows by lambda in the order asked for.

    model: its name; sha256: of its file of weights, None for a module of one's own; grad_samples,
    policy_samples: passes that were averaged, 1 where nothing is random; sampler: of the defence
    with its version; seconds: it took.
    """

    model: str
    settings: ClassifierSettings
    rows: tuple[ClassifierRow, ...]
    grad_samples: int
    policy_samples: int
    sampler: str | None = None
    sha256: str | None = None
    seconds: float = 0.0
    made_with: dict[str, str] = field(default_factory=dict)

    def row(self, lam: float) -> ClassifierRow | None:
        """The row at a lambda, None where it was not asked for."""
        return next((row for row in self.rows if row.lam == lam), None)

    def to_json(self) -> str:
        """One JSON object; never NaN or Infinity."""
        return numbered_json(self, FORMAT)


def read_evaluation(text: str | bytes) -> ClassifierEvaluation:
    """The evaluation of a JSON; UsageError in one line for anything else."""
    return read_numbered(ClassifierEvaluation, text, FORMAT, "evaluation of a classifier")
