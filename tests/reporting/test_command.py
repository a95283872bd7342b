"""The command that repeats an evaluation does."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest
from reporting.made import evaluation

from sap_rl.atari.protocol import Protocol
from sap_rl.attacks.schedule import Schedule
from sap_rl.config import EVAL_OPTIONS, eval_request
from sap_rl.evaluation.film_plan import settings_of
from sap_rl.evaluation.results import evaluation_from_json
from sap_rl.reporting.command import eval_command


def parsed(command: str) -> dict[str, Any]:
    """As the command line gives options."""
    words = shlex.split(command)
    assert words[:2] == ["sap-rl", "eval"]
    options: dict[str, Any] = {}
    for word in words[2:]:
        if word == "--no-controls":
            options["controls"] = False
        elif word.startswith("--"):
            name = word[2:].replace("-", "_")
            assert name in EVAL_OPTIONS, name
            options[name] = []
        else:
            options[name].append(word)
    many = ("lambda",)
    return {k: v[0] if isinstance(v, list) and k not in many else v for k, v in options.items()}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"game": "Assault", "defense": None, "controls": False, "seed": 12345678901},
        {
            "attack": "pgd",
            "attack_options": {"steps": 3, "objective": "margin", "step_size": 0.125},
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
    assert request.settings == settings_of(whole)
    assert (request.agent, request.device) == ("BankHeist", "cpu")


def test_an_agent_whose_name_is_not_recorded_is_left_to_the_reader() -> None:
    whole = evaluation((1.0,))
    other = replace(whole, config=whole.config | {"victims": ["self", "other"]})
    assert "--victim self,OTHER" in eval_command(other)
    named = replace(other, config=other.config | {"other": "Assault"})
    assert "--victim self,Assault" in eval_command(named)


def test_names_are_quoted() -> None:
    command = eval_command(evaluation((1.0,), agent="my agents/a; rm -rf ~"))
    assert "--agent 'my agents/a; rm -rf ~'" in command
