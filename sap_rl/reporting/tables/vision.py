"""Classifiers under attack as tables: of one evaluation, and of the paper's figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from sap_rl.reporting.tables.evaluation import plain_table
from sap_rl.vision.figures import DrawnLine, FigurePlan, paper_of
from sap_rl.vision.paper import paper_lines
from sap_rl.vision.results import ClassifierEvaluation, ClassifierRow
from sap_rl.vision.worst import verdicts, worst_cases

Rows = list[list[str]]
"""Cells of a table, its head first."""


def classifier_report(evaluation: ClassifierEvaluation) -> RenderableType:
    """The answer in a sentence, then accuracy and calibration by lambda, the paper's accuracy
    beside them, in 80 columns."""
    names = ("lambda", "accuracy", "95%", "ECE", "by mass", "Brier", "NLL", "paper")
    table = plain_table(*names, left=())
    paper = paper_of(evaluation)
    for row in evaluation.rows:
        table.add_row(
            f"{row.lam:g}", f"{row.accuracy:.1f}", _interval(row), *_scores(row),
            f"{paper[row.lam]:.1f}" if row.lam in paper else "-",
        )  # fmt: skip
    lines = (Text(_answer(evaluation)), Text(f"\n{_headline(evaluation)}"))
    return Group(*lines, table, Text(_note(evaluation)))


def figure_tables(plan: FigurePlan, drawn: Sequence[DrawnLine]) -> list[Rows]:
    """A figure's numbers: a line per curve or, of calibration, per classifier and lambda; an audit
    has its worst cases besides."""
    if plan.kind == "calibration":
        return [_calibration_table(drawn)]
    worst = [_worst_table(drawn)] if plan.kind == "audit" else []
    return [_accuracy_table(drawn), *worst]


def figure_notes(plan: FigurePlan, drawn: Sequence[DrawnLine]) -> tuple[str, ...]:
    """What the numbers are, and an audit's verdicts."""
    missing = [part.line.label for part in drawn if part.found is None]
    notes = [f"Not computed yet: {', '.join(missing)}."] if missing else []
    if plan.kind != "calibration":
        notes.append("Ours with its Wilson 95% interval; behind the stroke the paper's.")
    return (*notes, *(verdicts(worst_cases(drawn)) if plan.kind == "audit" else ()))


def _answer(evaluation: ClassifierEvaluation) -> str:
    """What is classified rightly at the smallest and at the largest lambda."""
    rows = sorted(evaluation.rows, key=lambda row: row.lam)
    if not rows:
        return "Nothing was computed to its end."
    ends = dict.fromkeys((rows[0], rows[-1]))
    said = " and ".join(f"{row.accuracy:.1f}% at lambda {row.lam:g}" for row in ends)
    who = f"{evaluation.model} with {evaluation.settings.defense or 'no defence'}"
    return f"{who} classifies {said} of {rows[0].images:,} images rightly."


def _headline(evaluation: ClassifierEvaluation) -> str:
    settings = evaluation.settings
    gradient = {"self": "own gradient", "original": "undefended classifier's gradient"}
    said = [settings.attack, gradient[settings.victim]]
    said += [f"backward {settings.backward}"] if settings.backward else []
    if settings.norms == "batch":
        said.append(f"statistics of {settings.attack_batch} images in the attack's batch norm")
    return f"{evaluation.model}, {settings.defense or 'no defence'}: {', '.join(said)}"


def _note(evaluation: ClassifierEvaluation) -> str:
    count = evaluation.rows[0].images if evaluation.rows else 0
    return (
        f"{count:,} images; {evaluation.grad_samples} passes per gradient, "
        f"{evaluation.policy_samples} per prediction; intervals: Wilson, 95%."
    )


def _cells(part: DrawnLine, lams: Sequence[float]) -> Iterator[str]:
    paper = paper_lines()[part.line.paper] if part.line.paper else {}
    for lam in lams:
        row = part.found.row(lam) if part.found else None
        ours = f"{row.accuracy:.1f} ({_interval(row)})" if row else "-"
        yield f"{ours} / {paper[lam]:.1f}" if lam in paper else ours


def _accuracy_table(drawn: Sequence[DrawnLine]) -> Rows:
    lams = sorted({lam for part in drawn for lam in part.line.settings.lams})
    head = ["percent at lambda", *(f"{lam:g}" for lam in lams)]
    return [head, *([part.line.label, *_cells(part, lams)] for part in drawn)]


def _calibration_table(drawn: Sequence[DrawnLine]) -> Rows:
    head = ["classifier", "lambda", "accuracy", "ECE", "by mass", "Brier", "NLL"]
    return [head] + [
        [part.line.label, f"{row.lam:g}", f"{row.accuracy:.1f}", *_scores(row)]
        for part in drawn
        if part.found is not None
        for row in part.found.rows
    ]


def _worst_table(drawn: Sequence[DrawnLine]) -> Rows:
    """What every classifier keeps under the worst of its attacks."""
    head = ["classifier", "lambda", "worst case", "95%", "attacks", "strongest alone", "leaves"]
    return [head] + [
        [
            case.player, f"{case.lam:g}", f"{case.accuracy:.1f}",
            f"{case.low:.1f}..{case.high:.1f}", str(case.attacks), case.strongest,
            f"{case.alone:.1f}",
        ]
        for case in worst_cases(drawn)
    ]  # fmt: skip


def _scores(row: ClassifierRow) -> tuple[str, ...]:
    known = row.calibration
    return tuple(f"{v:.3f}" for v in (known.ece, known.equal_mass, known.brier, known.nll))


def _interval(row: ClassifierRow) -> str:
    return f"{row.low:.1f}..{row.high:.1f}"
