"""At which severity half of the reward is gone."""

from __future__ import annotations

import pytest

from sap_rl.audit.cells import AuditCell
from sap_rl.audit.profile import LAMBDA, Halved, camera_cells, half_left, halved, profile
from sap_rl.audit.worst import Worst
from sap_rl.corruptions import CORRUPTIONS
from sap_rl.reporting.tables.evaluation import printed
from sap_rl.reporting.tables.profile import half_text, profile_table


def test_half_of_the_way_to_random_play() -> None:
    assert half_left(900.0, 100.0) == 500.0
    assert half_left(19.0, -21.0) == -1.0
    assert half_left(900.0, None) == 450.0


@pytest.mark.parametrize(
    ("points", "where", "severity"),
    [
        ([(1.0, 80.0), (4.0, 20.0)], "at", 2.0),  # half way in return, half way in the logarithm
        ([(1.0, 80.0), (4.0, 50.0)], "at", 4.0),
        ([(1.0, 50.0), (4.0, 20.0)], "milder", 1.0),
        ([(1.0, 80.0), (4.0, 51.0)], "never", 4.0),
        ([(90.0, 80.0), (10.0, 20.0)], "at", 30.0),  # jpeg: smaller is worse
    ],
)
def test_where_half_is_gone(
    points: list[tuple[float, float]], where: str, severity: float
) -> None:  # fmt: skip
    found = halved("rotate", "original", points, 50.0)
    assert found.where == where
    assert found.severity == pytest.approx(severity)


def test_words() -> None:
    def said(corruption: str, where: str, severity: float) -> str:
        return half_text(Halved(corruption, "original", where, severity, ()))  # type: ignore[arg-type]

    assert said("rotate", "at", 0.3333) == "0.33"
    assert said("rotate", "milder", 0.25) == "< 0.25"
    assert said("rotate", "never", 5) == "> 5"
    assert said("jpeg", "milder", 90) == "> 90"
    assert said("jpeg", "never", 5) == "< 5"
    assert said(LAMBDA, "never", 8) == "> 8"
    assert half_text(None) == "-"


def test_the_next_cells_leave_out_what_is_lost_or_at_its_end() -> None:
    first = camera_cells(["defended", "original"], [], set())
    assert len(first) == 2 * len(CORRUPTIONS)
    assert first[0] == AuditCell("camera", "defended", None, 1, "shift")
    assert first[0].name == "camera: defended, shift 1 pixel"
    second = camera_cells(["original"], first, {("shift", "original")})
    assert [cell.lam for cell in second if cell.title == "rotate"] == [0.5]
    assert "shift" not in {cell.title for cell in second}
    every = [
        AuditCell("camera", "original", None, severity, name)
        for name, entry in CORRUPTIONS.items()
        for severity in entry.severity.suite
    ]
    assert camera_cells(["original"], every, set()) == []


def test_the_table_has_the_worst_case_in_lambda_above() -> None:
    worst = [
        Worst(player, lam, "pgd", mean, None, None, mean, None, None)
        for player, lam, mean in (
            ("original", 1.0, 80.0), ("original", 0.25, 90.0), ("original", 4.0, 20.0),
            ("defended", 1.0, 95.0), ("noise-control", 1.0, 1.0),
        )
    ]  # fmt: skip
    clean = {"original": 100.0, "defended": 100.0, "noise-control": 100.0, "random": 0.0}
    found = profile([], worst, clean)
    assert [(one.player, one.where) for one in found] == [("original", "at"), ("defended", "never")]
    assert found[0].points == ((0.25, 90.0), (1.0, 80.0), (4.0, 20.0))
    lines = printed(profile_table(found, "sap-100")).splitlines()
    assert lines[0].split() == ["half", "is", "gone", "at", "unit", "original", "sap-100"]
    assert lines[1].split() == ["lambda,", "worst", "case", "pixel", "values", "2", ">", "1"]
