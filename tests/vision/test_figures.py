"""Figures: what they rest on, and that finished lines are not computed again."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sap_rl.errors import UsageError
from sap_rl.reporting.figures.files import save_figures
from sap_rl.reporting.figures.vision import vision_figure
from sap_rl.reporting.page.vision import vision_page
from sap_rl.reporting.tables.text import markdown
from sap_rl.reporting.tables.vision import classifier_report, figure_notes, figure_tables
from sap_rl.statistics.calibration import Bin, Calibration
from sap_rl.vision import figures
from sap_rl.vision.data import Images
from sap_rl.vision.figures import PLANS, DrawnLine, FigurePlan, FigureWork, Line, paper_of, plans
from sap_rl.vision.paper import PaperLine, paper_lines
from sap_rl.vision.results import ClassifierEvaluation, ClassifierRow
from sap_rl.vision.settings import FIGURE_NAMES, ClassifierSettings
from sap_rl.vision.worst import verdicts, worst_cases
from tests.vision.made import made_images
from tests.vision.test_evaluate import small_network


def made_row(lam: float, wrong: tuple[int, ...], images: int = 10) -> ClassifierRow:
    bins = (Bin(images, 0.8, 0.7, 0.6, 0.9),)
    left = 100 * (1 - len(wrong) / images)
    return ClassifierRow(
        lam, images, left, left - 3, left + 3, lam, Calibration(0.1, 0.2, 0.3, 0.4, bins), wrong
    )


def made_line(
    line: Line, wrong: dict[float, tuple[int, ...]] | None = None, images: int = 10
) -> DrawnLine:
    rows = tuple(
        made_row(lam, (wrong or {}).get(lam, ()), images) for lam in line.settings.lams
    )  # fmt: skip
    return DrawnLine(line, ClassifierEvaluation(line.model, line.settings, rows, 1, 1))


def test_the_papers_numbers_are_there() -> None:
    lines = paper_lines()
    assert lines[PaperLine("Fig. 3", "SAP-100", "fgsm")][4] == 60.9
    assert lines[PaperLine("Sec. 4.5", "dense", "iterative")][32] == 0.7
    assert sum(map(len, lines.values())) == 128
    assert all(0 <= y <= 100 for points in lines.values() for y in points.values())


def test_every_line_that_names_the_paper_finds_it() -> None:
    assert tuple(plan.name for plan in PLANS) == FIGURE_NAMES
    named = [line.paper for plan in PLANS for line in plan.lines if line.paper is not None]
    assert not set(named) - set(paper_lines())
    assert len(set(named)) == 20


def test_an_evaluation_finds_the_papers_numbers() -> None:
    settings = ClassifierSettings(lams=(2.0,), policy_samples=7, seed=3)
    sap = ClassifierEvaluation("resnet20", settings, (), 1, 1)
    assert paper_of(sap)[2] == 72.7
    assert paper_of(replace(sap, settings=replace(settings, defense=None)))[2] == 56.4
    assert paper_of(replace(sap, settings=replace(settings, backward="full"))) == {}
    assert paper_of(replace(sap, model="mine")) == {}


def test_an_unknown_figure_is_refused_with_the_known() -> None:
    assert plans([]) == PLANS
    with pytest.raises(UsageError, match="unknown figure 'nois'; choose from noise"):
        plans(["nois"])


def test_worst_cases_are_image_by_image() -> None:
    dense, sap = (ClassifierSettings(lams=(1.0,), defense=d) for d in (None, "sap-100"))
    drawn = [
        made_line(Line("dense", "resnet20", dense), {1.0: tuple(range(60))}, 100),
        made_line(Line("mask", "resnet20", sap), {1.0: tuple(range(50))}, 100),
        made_line(Line("identity", "resnet20", sap), {1.0: tuple(range(30, 95))}, 100),
        DrawnLine(Line("later", "resnet20", sap), None),
    ]
    plain, pruned = worst_cases(drawn)
    assert (plain.player, plain.accuracy, plain.attacks) == ("dense", 40, 1)
    assert pruned.accuracy == pytest.approx(5)
    assert (pruned.attacks, pruned.strongest) == (2, "identity")
    assert pruned.alone == pytest.approx(35)
    (said,) = verdicts((plain, pruned))
    assert said == (
        "At lambda 1 SAP-100 keeps 5.0% under the worst of 2 attacks, dense 40.0% of 1: SAP harms."
    )
    (said,) = verdicts((plain, replace(pruned, low=50.0)))
    assert said.endswith("SAP helps.")
    (said,) = verdicts((plain, replace(pruned, high=45.0)))
    assert said.endswith("SAP makes no difference that is seen.")


@pytest.mark.parametrize("plan", PLANS, ids=FIGURE_NAMES)
def test_every_figure_is_drawn_with_its_table(plan: FigurePlan, tmp_path: Path) -> None:
    drawn = [made_line(line) for line in plan.lines[:-1]] + [DrawnLine(plan.lines[-1], None)]
    written = save_figures({plan.name: vision_figure(plan, drawn)}, tmp_path)
    assert [path.suffix for path in written] == [".pdf", ".png"]
    text = "".join(map(markdown, figure_tables(plan, drawn)))
    assert text.count(f"| {plan.lines[0].label} |") >= 1
    assert figure_notes(plan, drawn)[0] == f"Not computed yet: {plan.lines[-1].label}."


def test_a_table_says_ours_and_the_papers() -> None:
    (plan,) = plans(["noise"])
    ((head, dense, _),) = figure_tables(plan, [made_line(line) for line in plan.lines])
    assert head == ["percent at lambda", "0", "1", "2", "4", "8", "16", "32"]
    assert dense[:2] == ["dense", "100.0 (97.0..103.0) / 89.8"]


def test_a_report_begins_with_its_answer() -> None:
    settings = ClassifierSettings(lams=(8.0, 0.0))
    found = made_line(Line("SAP-100", "resnet20", settings), {8.0: (1, 2, 3)}).found
    assert found is not None
    screen = Console(width=80, file=io.StringIO())
    screen.print(classifier_report(found))
    lines = screen.file.getvalue().splitlines()
    assert " ".join(lines[:2]) == (
        "resnet20 with sap-100 classifies 100.0% at lambda 0 and 70.0% at lambda 8 of 10  images "
        "rightly."
    )
    cells = [line.split() for line in lines if line.startswith(" ")]
    assert [(row[0], row[1], row[-1]) for row in cells] == [
        ("8", "70.0", "38.3"),
        ("0", "100.0", "83.3"),
    ]


def test_the_page_stands_alone() -> None:
    shown = [(plan, [made_line(line) for line in plan.lines]) for plan in plans(["noise", "audit"])]
    text = vision_page(shown)
    assert text.count("<svg") == 2
    assert "<script" not in text
    assert "http://www.w3.org" not in text.replace("xmlns", "").split("<svg")[0]
    assert "SAP-100, iterative, dense gradient" in text


def test_finished_lines_are_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    monkeypatch.setattr(
        figures, "load_classifier", lambda name: loaded.append(name) or small_network()
    )
    monkeypatch.setattr(figures, "_sha256", lambda _model: "made")
    settings = ClassifierSettings(lams=(0.0, 4.0), defense=None)
    lines = (Line("dense", "resnet20", settings), Line("again", "resnet20", settings))
    plan = FigurePlan("made", "Made", lines)
    images: Images = made_images(20, side=6)
    work = FigureWork([plan], images, tmp_path)
    assert {line.label for line, _ in work.run()} == {"dense"}
    assert list(FigureWork([plan], images, tmp_path).run()) == []
    assert loaded == ["resnet20"]
    dense, again = work.drawn(plan)
    assert dense.found == again.found
    assert dense.found is not None
    assert [row.lam for row in dense.found.rows] == [0.0, 4.0]
    assert list(FigureWork([plan], made_images(30, side=6), tmp_path).run())
