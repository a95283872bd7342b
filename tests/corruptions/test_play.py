"""Evaluations, sweeps and films under a corruption, short, on a real agent."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sap_rl import Evaluation, Protocol, UsageError, evaluate, load_agent
from sap_rl.evaluation.results import evaluation_from_json
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.evaluation.settings import Settings
from sap_rl.film.games import FilmedGames
from sap_rl.film.plan import film_of
from sap_rl.play.arms import Arm, plan
from sap_rl.reporting.figures.curves import panels
from sap_rl.reporting.forms import as_records
from sap_rl.reporting.page.command import eval_command
from sap_rl.settings.requests import eval_request, film_request
from sap_rl.store.export import episode_rows
from sap_rl.store.store import Store
from sap_rl.sweep.experiments import Experiment, plan_experiment
from sap_rl.sweep.worker import CellPlayer

SHORT = Protocol(max_frames=120)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(
        "BankHeist", "BankHeist", corruption="shift", severity=(4, 40), defense="sap-100",
        episodes=2, protocol=SHORT,
    )  # fmt: skip


def test_arms_without_victims() -> None:
    arms = plan(
        (2.0, 1.0), defended=True, victims=("own", "original"), controls=True, corruption="blur"
    )
    assert [arm.title for arm in arms[:4]] == ["random", "original", "defended", "noise-control"]
    assert arms[4:] == [
        Arm(name, severity, None, "blur")  # type: ignore[arg-type]
        for severity in (1.0, 2.0)
        for name in ("original", "defended", "noise-control")
    ]
    assert arms[4].level == "blur 1 pixel"


def test_rows_and_changes(evaluation: Evaluation) -> None:
    assert evaluation.complete
    assert len(evaluation.rows) == 10
    clean, spoilt = evaluation.row("original"), evaluation.original(40)
    assert clean is not None
    assert spoilt is not None
    assert (clean.corruption, spoilt.corruption, spoilt.victim, spoilt.attack) == (
        None, "shift", None, None,
    )  # fmt: skip
    assert clean.flip_rate is None
    assert spoilt.flip_rate
    assert spoilt.linf_max
    assert spoilt.struck is spoilt.idle is spoilt.forward_passes is None
    assert [(c.lam, c.corruption, c.headline, c.paper_percent) for c in evaluation.changes] == [
        (0.0, None, True, -59.2), (4.0, "shift", True, None), (40.0, "shift", True, None),
    ]  # fmt: skip
    code = str(evaluation.made.code)
    assert "corruption shift 1" in code
    assert "attack" not in code


def test_clean_arms_are_those_of_an_attack(evaluation: Evaluation) -> None:
    settings = replace(evaluation.settings, corruption=None, severities=(), lams=(0.0,))
    run = EvaluationRun(load_agent("BankHeist"), settings)
    list(run.play())
    for other in run.result().rows:
        mine = evaluation.row(other.arm)
        assert mine is not None
        assert (mine.returns, mine.lengths) == (other.returns, other.lengths)


def test_words(evaluation: Evaluation) -> None:
    text = str(evaluation)
    assert "At shift 4 pixels BankHeist keeps" in text
    assert "shift (pixels)" in text
    assert "shift of the screen, 2 episodes" in text
    for word in ("gradient", "lambda 4", "fgsm", "paper"):
        assert word not in text.partition("Reasons for distrust")[0]
    command = eval_command(evaluation)
    assert "--corruption shift --severity 4 40" in command
    for flag in ("--lambda", "--attack", "--victim", "--schedule", "--observation"):
        assert flag not in command
    [panel] = panels([evaluation])
    assert (panel.attack, panel.level) == ("shift", "shift (pixels)")
    records = as_records(evaluation)
    assert {record["severity"] for record in records} == {0.0, 4.0, 40.0}
    assert "lambda" not in records[0]


def test_json_says_severity_and_is_read_again(evaluation: Evaluation) -> None:
    text = evaluation.to_json()
    assert '"severity": 40.0' in text
    assert evaluation_from_json(text).rows == evaluation.rows
    assert evaluation_from_json(text).changes == evaluation.changes


def test_figures(evaluation: Evaluation) -> None:
    axes = evaluation.plot().axes[0]
    assert axes.get_xlabel() == "shift (pixels)"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["clean", "4", "40"]


def test_a_sweep_keeps_the_same_episodes(evaluation: Evaluation, tmp_path: Path) -> None:
    """Its cells are the evaluation's rows; the random policy and clean play have no severity."""
    settings = replace(evaluation.settings, severities=(40.0,), controls=False, num_envs=2)
    planned = plan_experiment(Experiment("BankHeist", settings))
    player = CellPlayer()
    with Store(tmp_path / "s.sqlite") as store:
        store.put_experiment(planned.record())
        for task in planned.tasks:
            list(player.play(task, store))
        player.close()
        [kept] = store.evaluations()
        rows = episode_rows(store)
    for row in kept.rows:
        mine = evaluation.row(row.arm, row.lam)
        assert mine is not None
        assert (mine.returns, mine.lengths, mine.flip_rate) == (
            row.returns, row.lengths, row.flip_rate,
        )  # fmt: skip
    last = planned.tasks[-1]
    assert last.title == "BankHeist sap-100, shift 40 pixels"
    assert (last.manifest["corruption"], last.manifest["severity"]) == ("shift", 40.0)
    assert "corruption shift 1" in last.manifest["code"]
    assert "corruption" not in planned.tasks[0].manifest
    assert (rows[-1]["corruption"], rows[-1]["severity"], rows[-1]["lambda"]) == (
        "shift", 40.0, None,
    )  # fmt: skip
    assert (rows[0]["severity"], rows[0]["lambda"]) == (None, 0.0)


def test_a_film_shows_both_frames(evaluation: Evaluation) -> None:
    agent = load_agent("BankHeist")
    filmed = film_of(evaluation, agent, 6)
    assert filmed.facts.under == ("shift 4 pixels",)
    scenes = list(islice(filmed.play(), 6))
    for view in scenes[-1].views:
        assert (view.clean != view.tampered).any()
    settings = Settings("BankHeist", (), corruption="shift", severities=(1.0, 2.0))
    with pytest.raises(UsageError, match="one severity, got 1, 2"):
        FilmedGames(agent, settings, 5)


BLUR = {"game": "BankHeist", "corruption": "blur", "severity": [1, 2]}


def test_requests() -> None:
    settings = eval_request(BLUR).settings
    assert (settings.corruption, settings.levels, settings.lams) == ("blur", (1.0, 2.0), ())
    assert film_request(BLUR | {"severity": 1}).settings.tampering == "blur"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"lambda": 4}, "lambda belongs to attacks"),
        ({"attack": "pgd"}, "attack belongs to attacks"),
        ({"steps": 3}, "steps belongs to attacks"),
        ({"severity": 11}, r"severity of blur is in pixels, above 0, up to 10, got 11"),
        ({"severity": [1, 1]}, "given twice"),
        ({"severity": []}, "severity is missing: say for example --severity 0.25"),
        ({"corruption": "blurr"}, "unknown corruption 'blurr'; choose from blur"),
        ({"corruption": "shift", "severity": 1.5}, "whole, 1..100, got 1.5"),
    ],
)
def test_bad_requests(more: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        eval_request(BLUR | more)


def test_severity_alone() -> None:
    with pytest.raises(UsageError, match="say which"):
        eval_request({"game": "BankHeist", "lambda": 4, "severity": 1})
    with pytest.raises(UsageError, match="at most 83"):
        evaluate("BankHeist", "BankHeist", corruption="occlude", severity=90)


def test_random_draws_follow_from_seed_and_episode() -> None:
    """Two at once or one after the other, the same frames reach the player."""
    found = [
        evaluate(
            "BankHeist", "BankHeist", corruption="gaussian", severity=16, episodes=2,
            num_envs=num_envs, controls=False, protocol=replace(SHORT, max_frames=80),
        )
        for num_envs in (1, 2)
    ]  # fmt: skip
    one, two = (each.original(16) for each in found)
    assert one is not None
    assert two is not None
    assert (one.returns, one.flip_rate) == (two.returns, two.flip_rate)
    np.testing.assert_allclose(one.linf_mean, two.linf_mean)
