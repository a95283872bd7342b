"""The first sentence of every view, and what a narrow screen leaves out."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from sap_rl.evaluation.results import Evaluation
from sap_rl.reporting.tables.answer import answers, summary
from sap_rl.reporting.tables.evaluation import check_lines, evaluation_report
from tests.reporting.made import evaluation


def with_change(**fields: object) -> Evaluation:
    """The made-up evaluation at lambda 4 alone, its headline change altered."""
    whole = evaluation(lams=(4.0,))
    changes = tuple(
        replace(change, **fields) if change.headline and change.victim else change  # type: ignore[arg-type]
        for change in whole.changes
    )
    return replace(whole, changes=changes)


UNCLEAR = {"difference": 3.0, "difference_low": -1.0, "difference_high": 7.0}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "sap-100 harms (64, random play 10)."),
        ({"difference_low": 5.0, "difference_high": 9.0}, "sap-100 helps (64, random play 10)."),
        (UNCLEAR, "whether sap-100 helps is open, +3.0 points [-1.0, +7.0] (64, random play 10)."),
        (
            UNCLEAR | {"flags": ("at_floor", "no_better_than_noise")},
            "sap-100 does not help: both play as at random (64, random play 10).",
        ),
        (
            UNCLEAR | {"flags": ("no_better_than_noise",)},
            "sap-100 does no better than noise that flips as many actions (64, random play 10).",
        ),
        (
            {"difference_low": 5.0, "difference_high": 9.0, "flags": ("weak_attack_only",)},
            "nothing is claimed of sap-100, which was not attacked on its own gradient (64, random "
            "play 10).",
        ),
    ],
)
def test_a_sentence_says_what_is_kept_and_whether_the_defence_helps(
    fields: dict[str, object], said: str
) -> None:
    first, price = answers(with_change(**fields))
    assert first == f"At lambda 4 BankHeist keeps 100 of 500 points under fgsm; {said}"
    assert price == "Undisturbed, sap-100 keeps 400 of 500 points."


def test_another_ball_is_named() -> None:
    whole = evaluation(lams=(4.0,))
    ball = replace(whole.settings, protocol=replace(whole.settings.protocol, norm="l2"))
    first = answers(replace(whole, settings=ball))[0]
    assert "of 500 points under fgsm in the l2 ball" in first


def test_nothing_is_said_of_what_was_not_played() -> None:
    whole = evaluation(lams=(4.0,))
    cut = tuple(replace(r, complete=False) if r.arm == "defended" else r for r in whole.rows)
    assert answers(replace(whole, rows=cut)) == [
        "At lambda 4 BankHeist keeps 100 of 500 points under fgsm (random play 10)."
    ]
    assert answers(replace(whole, rows=())) == [
        "Interrupted before the undisturbed agent had played: nothing can be said."
    ]


def test_negative_returns_are_scored_not_kept() -> None:
    whole = evaluation(lams=(4.0,))
    rows = tuple(
        replace(row, mean=-20.5) if (row.arm, row.lam) == ("original", 4.0) else row
        for row in whole.rows
    )
    assert answers(replace(whole, rows=rows))[0].startswith(
        "At lambda 4 BankHeist scores -20 instead of 500 under fgsm; "
    )


def test_the_comparisons_of_several_are_counted() -> None:
    assert summary([evaluation(), with_change(**UNCLEAR)]) == (
        "Under attack the defence helps in 0, harms in 3 and is unclear in 1 of 4 comparisons."
    )
    assert summary([]) == ""


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_word_is_broken_and_no_number_cut(width: int) -> None:
    screen = Console(file=io.StringIO(), width=width)
    screen.print(evaluation_report(evaluation()))
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    head = next(line for line in lines if line.startswith("lambda player"))
    assert head.split()[:5] == ["lambda", "player", "gradient", "return", "95%"]
    assert ("steps/s" in head) == (width >= 80)
    assert ("flips" in head) == (width >= 60)
    assert "  0.25 noise control original  243.2 239.5..247.0" in text
    assert "…" not in text


def test_findings_stand_with_their_advice_and_many_of_a_kind_are_counted() -> None:
    finding = evaluation().checks[0]
    five = [replace(finding, where=f"place {i}") for i in range(5)]
    other = replace(finding, advice="something else")
    lines = list(check_lines([*five, other]))
    assert lines[0].startswith("Reasons for distrust: 6")
    assert [line[:3] for line in lines[1:]] == ["! t", "! t", "! t", "! t", "  W", "! t", "  W"]
    assert lines[4] == "! transfer_stronger: 2 more, in --json and on the page."
    assert lines[-1] == "  What to do: something else."
