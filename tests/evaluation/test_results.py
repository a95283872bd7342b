"""Results on their way to a file."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sap_rl import Preprocess, Protocol
from sap_rl.attacks.schedule import EVERY, Schedule
from sap_rl.errors import UsageError
from sap_rl.evaluation.comparison import Finding
from sap_rl.evaluation.facts import Made, Origin
from sap_rl.evaluation.results import Change, evaluation_from_json, read_evaluation
from sap_rl.files import check_writable, write_atomically
from sap_rl.play.arms import in_todays_names
from sap_rl.statistics.sequential import StoppingRule
from tests.compat.kept import assert_holds
from tests.reporting.made import evaluation


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
    with pytest.raises(UsageError, match="it is a folder, name a file"):
        check_writable(tmp_path)
    with pytest.raises(UsageError, match="it is a device, name a file"):
        check_writable(Path("/dev/null"))
    with pytest.raises(UsageError, match="missing or read-only"):
        check_writable(tmp_path / "no" / "x.json")


def test_nan_never_reaches_a_file() -> None:
    whole = evaluation()
    rows = (replace(whole.rows[0], mean=float("nan")), *whole.rows[1:])
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(whole, rows=rows).to_json()
    text = whole.to_json().replace('"mean": 10.0', '"mean": NaN')
    with pytest.raises(UsageError, match="malformed"):
        evaluation_from_json(text)


def test_json_gives_back_what_it_was_made_of(tmp_path: Path) -> None:
    numbers = (-40.5, -60.0, None, -300.0, -400.0, -200.0)
    change = Change("BankHeist", 0.25, "own", True, *numbers, ("at_floor",), 3.1)
    finding = Finding("weak_attack", "lambda 0.25", "what", "advice")
    written = replace(evaluation(), changes=(change,), checks=(finding,))
    path = tmp_path / "x.json"
    path.write_text(written.to_json())
    assert read_evaluation(path) == written
    with pytest.raises(UsageError, match="missing required field `config`"):
        evaluation_from_json("{}")
    path.write_text("[1]")
    with pytest.raises(UsageError, match="is no evaluation as"):
        read_evaluation(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_evaluation(tmp_path / "none.json")


OLDER = Path(__file__).parent / "files" / "format1.json"


def test_a_file_without_a_format_number_is_read() -> None:
    """Made before there was one; its layout is the same, arms and victims have other names."""
    found, plain = read_evaluation(OLDER), json.loads(OLDER.read_text(encoding="utf-8"))
    assert "format" not in plain
    assert_holds(json.loads(found.to_json()), in_todays_names(plain) | {"format": 2})
    assert {row["arm"] for row in plain["rows"]} > {"matched"}
    assert found.settings.defense_options == {"skip": ("2",)}
    assert found.settings.schedule == Schedule("rate", 0.25)
    assert found.settings.protocol == Protocol(frames="newest", grad_samples=4)
    assert found.agent.preprocess == Preprocess(crop=(1, 2, 150, 140))
    loading = {"format": "sb3", "preprocess": {"crop": (1, 2, 150, 140)}}
    assert found.agent.origin == Origin("runs/a.pt", loading, "Assault")  # type: ignore[arg-type]
    versions = {"python": "3.11.7", "sap-rl": "0.1.0"}
    assert found.made == Made(versions, "abc", "c0de", StoppingRule(10.0, "percent", 3, 9))
    assert found.row("defended", 0.5, "other") is not None
    assert found.complete
    assert found.looked


def test_what_an_earlier_file_does_not_say_takes_its_default() -> None:
    plain = json.loads(OLDER.read_text(encoding="utf-8"))
    for name in ("look_level", "schedule", "agent_ref", "agent_loading", "other_ref", "until"):
        del plain["config"][name]
    found = evaluation_from_json(json.dumps(plain))
    assert not found.looked
    assert found.settings.schedule == EVERY
    assert (found.agent.origin, found.made.until) == (Origin(), None)


@pytest.mark.parametrize(
    ("part", "name", "value", "why"),
    [
        (None, "format", 3, "it has format 3, this version of sap_rl reads up to 2"),
        (None, "format", "2", "Expected `int`, got `str`"),
        (None, "rows", {}, r"Expected `array`, got `object` - at `\$.rows`"),
        (None, "rows", None, "missing required field `rows`"),
        (None, "row", [], r"unknown field - at `\$.row`"),
        ("config", "episodes", "3", r"Expected `int`, got `str` - at `\$.settings.episodes`"),
        ("config", "episode", 3, r"unknown field - at `\$.settings.episode`"),
        ("config", "game", None, "missing required field `game`"),
        ("config", "agent", None, r"missing required field `name` - at `\$.agent`"),
        ("config", "precision", "half", "unknown precision 'half'; choose from float32"),
        ("protocol", "epsilon", 2, r"epsilon must lie in 0..1, got 2"),
        ("protocol", "preprocess", {"frames": "4"}, r"at `\$.agent.preprocess.frames`"),
    ],
)
def test_another_layout_is_one_line_that_names_the_file(
    part: str | None, name: str, value: object, why: str, tmp_path: Path
) -> None:
    plain = json.loads(evaluation().to_json())
    place = plain if part is None else plain[part]
    if value is None:
        del place[name]
    else:
        place[name] = value
    path = tmp_path / "x.json"
    path.write_text(json.dumps(plain))
    with pytest.raises(UsageError, match=why) as caught:
        read_evaluation(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"mean": 1e308}, r"row random at lambda 0 has mean 1e\+308, its returns have 10"),
        ({"returns": [0.0] * 4}, "has mean 10, its returns have 0"),
        ({"returns": [], "lengths": [], "episodes": 0}, "has mean 10, its returns have nan"),
        ({"lambda": 1e30}, "row random is at lambda 1e\\+30, which its settings do not have"),
        ({"arm": "noise-control", "defense": "x"}, "'x' is no noise control, q-noise-X"),
        ({"truncated": -1}, "row random has -1 of 4 games cut short"),
        (None, "row random at lambda 0 stands there twice"),
    ],
)
def test_a_changed_file_is_noticed(row: dict[str, object] | None, why: str) -> None:
    plain = json.loads(evaluation().to_json())
    first = plain["rows"][0]
    plain["rows"] = [first, first] if row is None else [first | row]
    with pytest.raises(UsageError, match=why):
        evaluation_from_json(json.dumps(plain))


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
    change = Change("Pong", 1.0, "own", True, None, None, None, 7.0, low, high, flags, None)
    assert change.verdict == verdict
