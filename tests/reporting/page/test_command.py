"""The command that repeats an evaluation does."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

import pytest

from sap_rl.atari.protocol import Preprocess, Protocol
from sap_rl.attacks.schedule import Schedule
from sap_rl.evaluation.results import evaluation_from_json
from sap_rl.reporting.page.command import eval_command, repetition
from sap_rl.settings.options import eval_options
from sap_rl.settings.requests import eval_request
from sap_rl.statistics.sequential import StoppingRule
from tests.evaluation.made_up import rewritten
from tests.reporting.made import evaluation, incomplete


def parsed(command: str) -> dict[str, Any]:
    """As the command line gives options."""
    words = shlex.split(command)
    assert words[:2] == ["sap-rl", "eval"]
    options: dict[str, Any] = {}
    for word in words[2:]:
        if word.startswith("--"):
            name = word[2:].replace("-", "_")
            assert name in eval_options(), name
            options[name] = []
        else:
            options[name].append(word)
    many = ("lambda", "preprocess")
    return {k: v[0] if isinstance(v, list) and k not in many else v for k, v in options.items()}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"game": "Assault", "defense": None, "controls": False, "seed": 12345678901},
        {
            "attack": "pgd",
            "attack_options": {
                "steps": 3, "random_start": True, "objective": "margin", "step_size": 0.125,
            },
            "defense": "sap-50",
            "defense_options": {"sampler": "bernoulli", "backward": "full"},
            "victims": ("original",),
            "attack_backward": "identity",
            "schedule": Schedule("rate", 0.25),
            "episodes": 3,
            "num_envs": 2,
            "precision": "bfloat16",
            "protocol": Protocol(
                frames="newest", observation="uint8", max_frames=1234, epsilon=0.05,
                grad_samples=4, policy_samples=2,
            ),
        },
    ],
)  # fmt: skip
def test_it_gives_the_same_settings(settings: dict[str, Any]) -> None:
    whole = evaluation((1.0, 2.5), **settings)
    whole = evaluation_from_json(whole.to_json())
    request = eval_request(parsed(eval_command(whole)))
    assert request.settings == whole.settings
    assert (request.agent, request.device) == ("BankHeist", "cpu")


def test_an_agent_whose_name_is_not_recorded_is_left_to_the_reader() -> None:
    whole = evaluation((1.0,))
    other = rewritten(whole, victims=["own", "other"])
    assert "--victim own,OTHER" in eval_command(other)
    named = rewritten(other, other="Assault")
    assert "--victim own,Assault" in eval_command(named)


def test_the_agents_file_and_how_it_was_read_are_in_the_command() -> None:
    whole = evaluation((1.0,), victims=("own", "other"))
    entries = {"scale": "pixels", "crop": [34, 0, 160, 160], "full_action_space": True,
               "sticky_actions": 0.1234567}  # fmt: skip
    loading = {"format": "sb3", "preprocess": entries}
    told = {"agent_ref": "/x/BankHeist.pt", "agent_loading": loading, "other": "BankHeist",
            "other_ref": "/y/BankHeist"}  # fmt: skip
    whole = rewritten(whole, **told)
    said, command = repetition(evaluation_from_json(whole.to_json()))
    assert said == "Repeat it with"
    assert command is not None
    request = eval_request(parsed(command) | {"victim": "own"})
    assert (request.agent, request.loading["format"]) == ("/x/BankHeist.pt", "sb3")
    assert request.loading["preprocess"] == entries | {"crop": (34, 0, 160, 160)}
    assert "--victim own,/y/BankHeist" in command


def test_an_agent_of_unknown_origin_is_not_passed_off_as_the_shipped_one() -> None:
    """What it saw stands there, since nobody knows what its file says."""
    whole = evaluation((1.0,))
    seen = asdict(Preprocess(scale="pixels"))
    said, command = repetition(rewritten(whole, protocol={"preprocess": seen}))
    assert said.startswith("From where 'BankHeist' was loaded is not recorded")
    assert command is not None
    assert "--agent BankHeist --preprocess scale=pixels --lambda 1" in command


def test_what_a_stopping_rule_played_on_has_a_sentence_instead_of_a_command() -> None:
    rule = {"width": 10.0, "unit": "percent", "least": 4, "most": 9, "level": 0.95}
    level = StoppingRule(**rule).level_at(6)  # type: ignore[arg-type]
    whole = evaluation((1.0,), episodes=6, look_level=level)
    said, command = repetition(rewritten(whole, until=rule))
    assert command is None
    for words in (
        "--until-ci 10%", "after 4 episodes", "up to 9 at most", "ended after 6", "98.89%",
    ):  # fmt: skip
        assert words in said
    assert "which is not recorded" in repetition(whole)[0]


@pytest.mark.parametrize(
    ("width", "most", "ended"), [(10.0, 9, True), (0.1, 9, False), (0.1, 6, True)]
)
def test_a_rule_that_was_interrupted_has_not_ended(width: float, most: int, ended: bool) -> None:
    """Means of 500 and less, neighbours 2 or 3 apart: within 50 points, not within half a one."""
    rule = {"width": width, "unit": "percent", "least": 4, "most": most, "level": 0.95}
    whole = evaluation((1.0,), episodes=6, look_level=0.99)
    whole = rewritten(whole, until=rule)
    said, _ = repetition(whole)
    assert ("ended after 6." in said) is ended
    assert ("HAS NOT ENDED YET: 6 are shown" in said) is not ended
    assert "HAS NOT ENDED YET" in repetition(incomplete(whole))[0], "an arm is missing"


def test_numbers_keep_their_digits() -> None:
    command = eval_command(evaluation((0.1234567, 2.0)))
    assert "--lambda 0.1234567 2 " in command


def test_names_are_quoted() -> None:
    command = eval_command(evaluation((1.0,), agent="my agents/a; rm -rf ~"))
    assert "--agent 'my agents/a; rm -rf ~'" in command
