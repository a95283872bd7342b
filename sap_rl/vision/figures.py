"""The figures of the paper's CIFAR-10 half: which evaluations each of them needs, and where the
finished ones lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sap_rl.errors import unknown
from sap_rl.files import MAX_RESULT, check_folder, read_file, write_atomically
from sap_rl.plain import json_line
from sap_rl.vision.classifiers import find_classifier, load_classifier, read_card
from sap_rl.vision.data import Images
from sap_rl.vision.evaluate import Attacked, ClassifierEvaluationRun
from sap_rl.vision.paper import PaperLine, paper_lines
from sap_rl.vision.results import ClassifierEvaluation, ClassifierRow, read_evaluation
from sap_rl.vision.settings import LAMS, ClassifierSettings

DENSE, ADV = "resnet20", "adv"


@dataclass(frozen=True)
class Line:
    """One curve: a shipped classifier, how it is evaluated, and the paper's curve beside it."""

    label: str
    model: str
    settings: ClassifierSettings
    paper: PaperLine | None = None


@dataclass(frozen=True)
class FigurePlan:
    """A figure; kind: what is drawn and said of its lines, `accuracy` against lambda, the same with
    worst cases in an `audit`, or `calibration`."""

    name: str
    title: str
    lines: tuple[Line, ...]
    kind: Literal["accuracy", "calibration", "audit"] = "accuracy"


@dataclass(frozen=True)
class DrawnLine:
    """A line and what was found; None while it is not computed."""

    line: Line
    found: ClassifierEvaluation | None


def _line(label: str, model: str, paper: tuple[str, str, str] | None, **options: Any) -> Line:
    return Line(label, model, ClassifierSettings(**options), paper and PaperLine(*paper))


_sap = partial(_line, model=DENSE, defense="sap-100")
_dense = partial(_line, model=DENSE, defense=None)
_few = {"policy_samples": 25}
_FIG3 = (
    _dense("dense", paper=("Fig. 3", "dense", "fgsm")),
    _sap("SAP-100", paper=("Fig. 3", "SAP-100", "fgsm")),
    _line("ADV", ADV, ("Fig. 3", "ADV", "fgsm"), defense=None),
    _line("ADV+SAP-100", ADV, ("Fig. 3", "ADV+SAP-100", "fgsm"), defense="sap-100"),
)
_quick = partial(_sap, **_few)
_strong = partial(_quick, paper=None, lams=LAMS[:5])
_PAPER_SAMPLES = tuple(
    ("Fig. 6", "SAP-100", f"fgsm {kind}") for kind in (1, 10, 100, 1000, "transfer")
)
_PAPER_STEPS = (
    ("Sec. 4.5", "dense", "iterative"),
    ("Sec. 4.5", "SAP-100", "iterative"),
    ("Sec. 4.5", "SAP-100", "iterative transfer"),
)

PLANS = (
    FigurePlan(
        "percent",
        "SAP at several percentages under FGSM",
        (
            _dense("dense", paper=("Fig. 3", "dense", "fgsm"), lams=LAMS[:5]),
            *(
                _line(
                    f"SAP-{k}", DENSE, ("Fig. 3" if k == 100 else "Fig. 1b", f"SAP-{k}", "fgsm"),
                    defense=f"sap-{k}", lams=LAMS[:5], **_few,
                )
                for k in (50, 70, 90, 100, 110, 130, 150)
            ),
        ),
    ),
    FigurePlan("defences", "SAP and adversarial training under FGSM", _FIG3),
    FigurePlan("calibration", "Calibration under FGSM", _FIG3, "calibration"),
    FigurePlan(
        "samples",
        "FGSM on SAP-100 by the passes of its gradient",
        (
            *(
                _quick(f"{count} passes", paper=paper, grad_samples=count)
                for count, paper in zip((1, 10, 100, 1000), _PAPER_SAMPLES, strict=False)
            ),
            _quick("dense gradient", paper=_PAPER_SAMPLES[-1], victim="original"),
        ),
    ),
    FigurePlan(
        "iterative",
        "Iterative attack, steps of one pixel",
        (
            _dense("dense", paper=_PAPER_STEPS[0], attack="pgd"),
            _quick("SAP-100", paper=_PAPER_STEPS[1], attack="pgd"),
            _quick(
                "SAP-100, dense gradient", paper=_PAPER_STEPS[2],
                attack="pgd", victim="original",
            ),
        ),
    ),
    FigurePlan(
        "noise",
        "Random signs",
        (
            _dense("dense", paper=("Fig. 1a", "dense", "noise"), attack="noise"),
            _quick("SAP-100", paper=("Fig. 1a", "SAP-100", "noise"), attack="noise"),
        ),
    ),
    FigurePlan(
        "audit",
        "Stronger attacks",
        (
            _FIG3[0],
            _dense("dense, iterative", paper=_PAPER_STEPS[0], attack="pgd"),
            _dense("dense, APGD", paper=None, attack="apgd", lams=LAMS[:5]),
            _FIG3[1],
            _strong("SAP-100, FGSM, full", backward="full"),
            _strong("SAP-100, FGSM, identity", backward="identity"),
            _quick("SAP-100, FGSM, dense gradient", paper=_PAPER_SAMPLES[-1], victim="original"),
            _quick("SAP-100, iterative", paper=_PAPER_STEPS[1], attack="pgd"),
            _quick(
                "SAP-100, iterative, dense gradient", paper=_PAPER_STEPS[2], attack="pgd",
                victim="original",
            ),
            _strong("SAP-100, iterative, identity", attack="pgd", backward="identity"),
            _strong("SAP-100, APGD, identity", attack="apgd", backward="identity"),
            _FIG3[2],
            _line("ADV, APGD", ADV, None, defense=None, attack="apgd", lams=LAMS[:5]),
            _FIG3[3],
            _line(
                "ADV+SAP-100, APGD, identity", ADV, None, defense="sap-100", attack="apgd",
                backward="identity", lams=LAMS[:5], **_few,
            ),
        ),
        "audit",
    ),
)  # fmt: skip
"""The paper's figures in the order of docs/vision.md, and what the paper did not ask."""


def plans(names: Sequence[str]) -> tuple[FigurePlan, ...]:
    """The figures of these names, all for none; UsageError for an unknown one."""
    known = {plan.name: plan for plan in PLANS}
    for name in names:
        if name not in known:
            raise unknown("figure", name, known)
    return tuple(known[name] for name in names or known)


class FigureWork:
    """Computes the lines of figures into a folder, each once, and goes on where it stopped.

    images: of the test set, centred as the classifiers take them.
    """

    def __init__(self, shown: Sequence[FigurePlan], images: Images, folder: Path) -> None:
        self.plans, self.images, self.folder = shown, images, folder
        check_folder(folder)

    def run(self) -> Iterator[tuple[Line, Attacked | ClassifierRow]]:
        """Compute what is missing, and tell what happens."""
        for line in (line for plan in self.plans for line in plan.lines):
            path = self._place(line)
            if path.exists():
                continue
            run = ClassifierEvaluationRun(
                load_classifier(line.model), self.images, line.settings,
                model=line.model, sha256=_sha256(line.model),
            )  # fmt: skip
            for event in run.run():
                yield line, event
            write_atomically(path, run.result().to_json())

    def drawn(self, plan: FigurePlan) -> tuple[DrawnLine, ...]:
        """A figure's lines as far as they are computed."""
        return tuple(DrawnLine(line, self._read(self._place(line))) for line in plan.lines)

    def _read(self, path: Path) -> ClassifierEvaluation | None:
        return read_evaluation(read_file(path, MAX_RESULT)) if path.exists() else None

    def _place(self, line: Line) -> Path:
        """A file for everything that a line's numbers depend on."""
        whole = (_sha256(line.model), len(self.images), line.settings)
        key = hashlib.sha256(json_line(whole).encode()).hexdigest()[:12]
        return self.folder / f"{line.model}-{line.settings.defense or 'dense'}-{key}.json"


def paper_of(evaluation: ClassifierEvaluation) -> dict[float, float]:
    """What the paper has for an evaluation's classifier, defence and attack, by lambda; nothing
    where it did not ask that."""
    for line in (line for plan in PLANS for line in plan.lines):
        same = replace(line.settings, lams=(0.0,), policy_samples=1, seed=0)
        ours = replace(evaluation.settings, lams=(0.0,), policy_samples=1, seed=0)
        if line.paper and line.model == evaluation.model and same == ours:
            return paper_lines()[line.paper]
    return {}


def _sha256(model: str) -> str:
    return str(read_card(find_classifier(model))["weights"]["sha256"])
