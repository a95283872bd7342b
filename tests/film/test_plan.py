"""An evaluation's own film."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sap_rl import Agent, load_agent
from sap_rl.agents import find_agent
from sap_rl.atari.protocol import Preprocess, Protocol
from sap_rl.attacks.schedule import Schedule
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import evaluation_from_json
from sap_rl.evaluation.settings import Settings
from sap_rl.film.plan import agent_of, film_of
from tests.evaluation.made_up import rewritten
from tests.reporting.made import evaluation


def test_settings_come_back_whole() -> None:
    """Also out of a file."""
    settings = Settings(
        "Assault", (0.5, 2.0), attack="pgd", attack_options={"steps": 3, "objective": "margin"},
        defense="sap-50", defense_options={"sampler": "exact"}, victims=("original",),
        attack_backward="identity", schedule=Schedule("rate", 0.25), episodes=3, num_envs=2, seed=9,
        controls=False, protocol=Protocol(frames="newest", epsilon=0.05, grad_samples=4),
    )  # fmt: skip
    options = {k: v for k, v in vars(settings).items() if k != "lams"}
    whole = evaluation(settings.lams, **options)
    assert whole.settings == settings
    assert evaluation_from_json(whole.to_json()).settings == settings


def test_the_middle_lambda_and_the_stronger_attack_are_filmed(agent: Agent) -> None:
    run = film_of(evaluation((0.25, 1.0, 4.0, 8.0)), agent, 10)
    assert run.facts.lam == 1.0
    assert run.facts.victims == ("own", "original"), "a fifth less is left there"
    assert run.steps == 10
    assert film_of(evaluation((2.0,), victims=("own",)), agent, 10).facts.victims[1] == "own"
    assert film_of(evaluation((2.0,), defense=None), agent, 10).facts.players == ("original",)


def test_what_cannot_be_filmed_says_why(agent: Agent) -> None:
    with pytest.raises(UsageError, match="nobody attacked"):
        film_of(evaluation((0.0,)), agent, 10)
    whole = evaluation((1.0,))
    other = rewritten(replace(whole, changes=()), victims=["other"])
    with pytest.raises(UsageError, match="another agent's gradient"):
        film_of(other, agent, 10)
    named = {"other": "BankHeist", "other_sha256": "00ff"}
    with pytest.raises(UsageError, match="is not the one that was evaluated any more"):
        film_of(rewritten(other, **named), agent, 10)


def test_another_agents_gradient_is_filmed(agent: Agent) -> None:
    whole = evaluation((1.0,))
    lender = load_agent("BankHeist")
    named = {"victims": ["other"], "other": "BankHeist", "other_sha256": lender.sha256}
    run = film_of(rewritten(replace(whole, changes=()), **named), agent, 10)
    assert run.facts.victims == ("own", "other")
    assert run.other is not None
    assert run.other.sha256 == lender.sha256


def test_the_agent_is_loaded_from_where_it_was(agent: Agent, tmp_path: Path) -> None:
    """Not the shipped one of the same name; and with what was said of its frames."""
    folder = tmp_path / "BankHeist"
    shutil.copytree(find_agent("Assault"), folder)
    theirs = load_agent(folder)
    whole = evaluation(sha256=theirs.sha256)
    told = {"agent_ref": str(folder), "agent_loading": {"preprocess": {"fill": "repeat"}}}
    seen = {"preprocess": asdict(Preprocess(fill="repeat"))}
    there = rewritten(whole, protocol=seen, **told)
    found = agent_of(there)
    assert (found.sha256, found.preprocess.fill) == (theirs.sha256, "repeat")
    assert found.sha256 != agent.sha256
    with pytest.raises(UsageError, match="sees other frames than when it was evaluated"):
        agent_of(rewritten(whole, **told))


def test_a_defence_that_is_another_agent_by_now_is_not_filmed(agent: Agent) -> None:
    whole = evaluation((1.0,), defense="agent:BankHeist")
    same = rewritten(whole, defended_sha256=agent.sha256)
    assert film_of(same, agent, 10).facts.players[1] == "agent:BankHeist"
    changed = rewritten(whole, defended_sha256="00ff")
    with pytest.raises(UsageError, match="'agent:BankHeist' is not the one that was evaluated"):
        film_of(changed, agent, 10)


def test_an_agent_that_is_gone_or_changed_is_refused(agent: Agent) -> None:
    assert agent_of(evaluation(sha256=agent.sha256)).sha256 == agent.sha256
    with pytest.raises(UsageError, match="is not the one that was evaluated any more"):
        agent_of(evaluation(sha256="00ff"))
    with pytest.raises(UsageError, match="gone"):
        agent_of(evaluation(agent="runs/gone"))
