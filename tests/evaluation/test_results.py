"""Results on their way to a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sap_rl.errors import UsageError
from sap_rl.evaluation.comparison import Finding
from sap_rl.evaluation.results import Change, Evaluation, evaluation_from_json, read_evaluation
from sap_rl.files import check_writable, write_atomically


def test_a_failed_write_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "x.json"
    target.write_text("old")

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(UsageError, match="No space"):
        write_atomically(target, "new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"], "nothing is left beside it"


def test_write_replaces(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    target.write_text("old")
    write_atomically(target, "new")
    assert target.read_text() == "new"


def test_check_writable_names_what_is_wrong(tmp_path: Path) -> None:
    check_writable(tmp_path / "new.json")
    with pytest.raises(UsageError, match="it is a folder or a device"):
        check_writable(tmp_path)
    with pytest.raises(UsageError, match="it is a folder or a device"):
        check_writable(Path("/dev/null"))
    with pytest.raises(UsageError, match="missing or read-only"):
        check_writable(tmp_path / "no" / "x.json")


def test_nan_never_reaches_a_file() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Evaluation({"arms": 0, "x": float("nan")}, {}, {}, ()).to_json()


def test_json_gives_back_what_it_was_made_of(tmp_path: Path) -> None:
    numbers = (-40.5, -60.0, None, -300.0, -400.0, -200.0)
    change = Change("BankHeist", 0.25, "self", True, *numbers, ("at_floor",), 3.1)
    finding = Finding("weak_attack", "lambda 0.25", "what", "advice")
    written = Evaluation({"arms": 0}, {"torch": "2"}, {"epsilon": 0.01}, (), (change,), (finding,))
    path = tmp_path / "x.json"
    path.write_text(written.to_json())
    assert read_evaluation(path) == written
    with pytest.raises(KeyError):
        evaluation_from_json("{}")
    path.write_text("[1]")
    with pytest.raises(UsageError, match="is no evaluation as"):
        read_evaluation(path)
    with pytest.raises(UsageError, match="cannot read"):
        read_evaluation(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("low", "high", "flags", "verdict"),
    [
        (5.0, 9.0, (), "helps"),
        (5.0, 9.0, ("unstable_denominator",), "helps"),
        (5.0, 9.0, ("unstable_denominator", "at_floor"), "unclear"),
        (5.0, 9.0, ("no_better_than_noise",), "unclear"),
        (-1.0, 9.0, (), "unclear"),
        (-9.0, -1.0, ("unstable_denominator",), "harms"),
        (None, None, (), "unclear"),
    ],
)
def test_a_verdict_needs_a_difference_and_nothing_against_it(
    low: float | None, high: float | None, flags: tuple[str, ...], verdict: str
) -> None:
    change = Change("Pong", 1.0, "self", True, None, None, None, 7.0, low, high, flags, None)
    assert change.verdict == verdict
