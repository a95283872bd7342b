"""An evaluation's object and table of an earlier version; the main job gives the same today."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from sap_rl.cli import main
from sap_rl.evaluation.results import read_evaluation
from sap_rl.reporting.tables.evaluation import console, evaluation_report
from sap_rl.store.store import load_evaluations
from tests.compat.cells import MAIN_JOB, rows_of
from tests.compat.kept import FILES, assert_holds, read_json
from tests.compat.machine import must_repeat

KEPT = FILES / "main_job.json"
TABLE = FILES / "main_job.txt"
WORDS = {
    "noise 0.0312": "noise control",
    "paper: beside the row that follows its protocol, as far as it is published. gradient": ""
    "gradient",
    "attacker uses. flips": "attacker uses. norm: (return - random) / (human - random), both as "
    "published. flips",
    "clean frame; self": "clean frame. self",
    "8th step).": "8th step). paper: published for SAP-100 on other agents, beside the rows that "
    "follow its protocol as far as it is published.",
    "noise: the original with Gaussian noise on Q that flips as often in clean play.": "noise "
    "control: the original with Gaussian noise on its action values that flips as many actions in "
    "clean play, attacked alike (standard deviation 0.0312).",
    "per step. norm: (return - random) / (human - random), both as published.": "per step.",
    "in 88 to 95% of cases, not 95%": "in 93 to 97% of cases, one of 10 in 86 to 97%",
}
"""Words of the kept table, and those that stand there today."""
CLOCKED = ("seconds", "steps_per_second")
MADE = ("commit", "code")


def masked(table: str) -> list[str]:
    """Its lines in single spaces; those of returns without seconds and steps per second."""
    lines = [" ".join(line.split()) for line in table.splitlines()]
    first = next(i for i, line in enumerate(lines) if line.startswith("lambda player"))
    last = next(i for i, line in enumerate(lines) if line.startswith("lambda gradient"))
    cut = [re.sub(r" \S+ \S+$", "", line) for line in lines[first:last]]
    return [*lines[:first], *cut, *lines[last:]]


def numbers(printed: str) -> str:
    """What stands between the answer and the reasons for distrust, in single spaces."""
    text = " ".join(printed.split())
    return text[text.index("BankHeist: agent BankHeist") : text.index("Reasons for distrust")]


def in_todays_words(table: str) -> str:
    """The kept table's numbers as they would be printed today, but for where lines break."""
    table = numbers(table)
    for words, today in WORDS.items():
        assert words in table
        table = table.replace(words, today)
    return table


def test_the_object_is_read_whole_and_gives_its_table() -> None:
    found = read_evaluation(KEPT)
    assert_holds(json.loads(found.to_json()), read_json("main_job.json"))
    with (screen := console(force_terminal=False)).capture() as capture:
        screen.print(evaluation_report(found))
    assert numbers(capture.get()) == in_todays_words(TABLE.read_text(encoding="utf-8"))


def test_its_returns_are_summarised_anew() -> None:
    """30 episodes: no mean moves, no interval is narrower, most by a fifth wider."""
    kept, [now] = read_evaluation(KEPT), load_evaluations(KEPT)
    assert [row.returns for row in now.rows] == [row.returns for row in kept.rows]
    assert [c.difference for c in now.changes] == [c.difference for c in kept.changes]
    widths = [
        [high - low for low, high in bounds if low is not None and high is not None]
        for bounds in ([(row.ci_low, row.ci_high) for row in found.rows] for found in (kept, now))
    ]
    grown = np.array(widths[1]) / np.array(widths[0])
    assert (grown >= 1).all()
    assert 1.1 < np.median(grown) < 1.3
    assert now.checks == kept.checks


def test_it_can_be_compared_with_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(KEPT), str(KEPT)]) == 0
    assert "0 of 9 cell(s) on both sides differ beyond noise" in capsys.readouterr().out


@pytest.mark.slow
def test_the_main_job_is_what_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "made.json"
    assert main([*MAIN_JOB, "--quiet", "--json", str(made)]) == 0
    table = capsys.readouterr().out
    before, now = read_evaluation(KEPT), read_evaluation(made)
    assert now.complete
    assert [(r.arm, r.lam, r.victim, r.episodes) for r in now.rows] == [
        (r.arm, r.lam, r.victim, r.episodes) for r in before.rows
    ]
    if must_repeat(read_json("main_job_machine.json")):
        assert rows_of(now) == rows_of(before)
        kept = in_todays_words(" ".join(masked(TABLE.read_text(encoding="utf-8"))))
        assert numbers(" ".join(masked(table))) == kept
        plain = read_json("main_job.json")
        for finding in plain["checks"]:
            finding["where"] = finding["where"].replace("q-noise-0.03118", "noise control")
        for row in plain["rows"]:
            row |= dict.fromkeys(CLOCKED)
        found = json.loads(made.read_text(encoding="utf-8"))
        for row in found["rows"]:
            row |= dict.fromkeys(CLOCKED)
        for part in (plain, found):
            part.pop("versions")
            part["config"] |= dict.fromkeys(MADE)
        assert_holds(found, plain)
