"""Refusals, and that the YAMLs say everything there is to say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from sap_rl.errors import UsageError
from sap_rl.schema import keyed
from sap_rl.training.dqn.settings import CHANGEABLE, TrainSettings, train_settings
from sap_rl.training.harden.settings import HARDEN_CHANGEABLE, HardenSettings, harden_settings

CONFIGS = Path(__file__).parents[3] / "configs" / "train"
KEYS = list(keyed(TrainSettings))
NAMES = {field.name for field in fields(TrainSettings)}

HARDENING = CONFIGS.parent / "harden"


@pytest.mark.parametrize("name", ["lambda1", "lambda4", "quick"])
def test_a_hardening_config_has_exactly_the_fields(name: str) -> None:
    options = yaml.safe_load((HARDENING / f"{name}.yaml").read_text())
    assert list(options) == [field.name for field in fields(HardenSettings)]
    harden_settings(options)


def test_lambda_1_is_hardenings_default() -> None:
    options = yaml.safe_load((HARDENING / "lambda1.yaml").read_text())
    assert harden_settings(options) == HardenSettings()
    assert {field.name for field in fields(HardenSettings)} >= HARDEN_CHANGEABLE


@pytest.mark.parametrize("name", ["ddqn", "paper", "quick", "sa_dqn"])
def test_a_config_has_exactly_the_fields(name: str) -> None:
    options = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    assert list(options) == KEYS
    train_settings(options)


def test_the_fast_recipe_is_the_default() -> None:
    options = yaml.safe_load((CONFIGS / "ddqn.yaml").read_text())
    assert train_settings(options) == TrainSettings()
    assert NAMES >= CHANGEABLE


def test_numbers_may_be_spelled_as_people_do() -> None:
    read = train_settings({"agent_steps": "2.5e6", "learning_rate": "1e-4", "gamma": 1})
    assert (read.steps, read.learning_rate, read.gamma) == (2_500_000, 1e-4, 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"agent_stepps": 1}, "unknown training option 'agent_stepps'; choose from agent_steps"),
        ({"agent_steps": 0}, "agent_steps must be at least 1, got 0"),
        ({"steps": 1.5}, "steps: cannot use 1.5"),
        ({"agent_steps": True}, "agent_steps: cannot use True"),
        ({"gamma": 1.1}, "gamma must lie in 0..1, got 1.1"),
        ({"gamma": "x"}, "gamma: cannot use 'x'"),
        ({"gamma": float("nan")}, "gamma must lie"),
        ({"learning_rate": 0}, "learning_rate must lie between 0 and 1"),
        ({"life_loss": "no"}, "life_loss: cannot use 'no'"),
        ({"target": "tripel"}, "unknown target 'tripel'; choose from dqn, double"),
        ({"optimizer": 3}, "optimizer: cannot use 3"),
        ({"eval_lambda": 300}, "eval_lambda: lambda is in pixel units, at most 255, got 300"),
        ({"eval_lambda": -1}, "eval_lambda: lambda must be a number of at least 0"),
        ({"eval_lambda": "nan"}, "eval_lambda: lambda must be a number of at least 0"),
        ({"adversarial_lambda": 256}, "adversarial_lambda: lambda is in pixel units"),
        ({"robust_weight": 0.1}, "robust_weight 0.1 needs a budget: adversarial_lambda above 0"),
        ({"max_grad_norm": -1}, "max_grad_norm must be at least 0"),
        ({"replay_frames": 10}, "replay_frames 10 cannot hold warmup_steps 20000"),
    ],
)
def test_bad_options_are_refused_in_one_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=r"^[^\n]*$") as caught:
        train_settings(options)
    assert message in str(caught.value)
