"""Documented parameters, flags and YAML keys are the same options with the same defaults."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import Any

import pytest

import sap_rl
from sap_rl import Protocol
from sap_rl.attacks import ATTACKS, attack_options
from sap_rl.audit.settings import AuditSettings
from sap_rl.cli import COMMANDS, _parser, main
from sap_rl.cli.parser import SLIP, Parser
from sap_rl.errors import UsageError
from sap_rl.evaluation.settings import Settings
from sap_rl.schema import keyed, options_of
from sap_rl.settings.options import (
    AUDIT_GROUPS,
    COMMAND_DEFAULTS,
    EVAL_GROUPS,
    Options,
    attack_group,
    audit_options,
    defense_group,
    eval_options,
)
from sap_rl.settings.requests import eval_request
from sap_rl.training.dqn.settings import TrainSettings, train_settings
from sap_rl.training.harden.settings import HardenSettings
from sap_rl.vision.settings import ClassifierSettings, ClassifierTraining
from sap_rl.zoo.recipes import read_recipes

RULES = (
    "max_frames", "epsilon", "observation", "frames", "norm", "grad_samples", "policy_samples",
    "policy",
)  # fmt: skip
"""What `evaluate` takes of a Protocol by name."""
MAIN_JOB = {"game": "BankHeist", "lambda": 4}


def merged(groups: dict[str, Options]) -> Options:
    return {key: option for group in groups.values() for key, option in group.items()}


def flags(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The flags in a command's help, with underscores."""
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    words = capsys.readouterr().out.split("options:", 1)[1].split()
    return {w[2:].replace("-", "_") for w in words if w.startswith("--") and w[2:3].isalpha()}


@pytest.mark.parametrize(
    ("command", "known"),
    [
        ("eval", merged(EVAL_GROUPS)),
        ("audit", merged(AUDIT_GROUPS)),
        ("train", keyed(TrainSettings)),
        ("harden", keyed(HardenSettings)),
        ("vision train", keyed(ClassifierTraining)),
        ("vision eval", keyed(ClassifierSettings)),
    ],
)
def test_every_option_is_a_flag(
    command: str, known: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(known) - flags(command, capsys) == set()


def test_what_attacks_and_defences_take_is_a_flag_too() -> None:
    for key in {**attack_group(), **defense_group()}:
        words = ["eval", f"--{key.replace('_', '-')}", "1", "--lambda", "4"]
        assert vars(_parser().parse_all(words))[key] == "1"


def test_a_slip_is_told_from_what_an_attack_takes_without_loading_it() -> None:
    own = [f"--{key}" for key in merged(EVAL_GROUPS)]
    for key in {**attack_group(), **defense_group()}:
        assert get_close_matches(f"--{key}", own, 1, SLIP) == []


@pytest.mark.parametrize("command", ["eval", "audit", "train", "harden"])
def test_help_ends_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert f"example: sap-rl {command} --game BankHeist" in capsys.readouterr().out


def test_every_parameter_of_evaluate_is_documented_with_the_settings_default() -> None:
    options = {
        **options_of(Settings),
        **{n: o for n, o in options_of(Protocol).items() if n in RULES},
    }
    lines = dict(
        line.strip().split(": ", 1)
        for line in (inspect.getdoc(sap_rl.evaluate) or "").splitlines()
        if ": " in line
    )
    parameters = inspect.signature(sap_rl.evaluate).parameters
    assert set(parameters) <= set(lines)
    assert set(parameters) - {"agent", "lam", "severity", "other", "progress"} <= set(options)
    assert set(options) - set(parameters) == {"lams", "severities", "look_level"}
    computed = {"attack_options", "defense_options", "protocol", *RULES}
    for name in set(parameters) & set(options) - computed:
        assert parameters[name].default == options[name].default, name
    assert "(pixels 0..255)" in lines["lam"]
    assert lines["episodes"] == "per arm [30]"
    assert lines["max_frames"].endswith("[18000]")


@pytest.mark.parametrize("settings", [Settings, AuditSettings, TrainSettings, HardenSettings])
def test_every_field_says_what_it_is(settings: Any) -> None:
    options = options_of(settings)
    assert [field.name for field in fields(settings)] == list(options)
    assert all(option.help for option in options.values())
    assert getattr(sap_rl, settings.__name__) is settings


def test_a_silent_command_line_takes_the_settings_defaults() -> None:
    given = eval_request(MAIN_JOB).settings
    plain = Settings("BankHeist", (4.0,))
    different = {
        f.name for f in fields(Settings) if getattr(given, f.name) != getattr(plain, f.name)
    }
    assert different == set(COMMAND_DEFAULTS) == {"defense"}
    assert eval_options()["defense"].default == "sap-100" == audit_options()["defense"].default
    assert MISSING not in [option.default for option in eval_options().values()]


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attacks_options_are_reached_and_others_refused(attack: str) -> None:
    """With each default spelled out the settings are the attack's own; an option of another attack
    is refused with the names of this one's."""
    own = {k: o for k, o in attack_options(attack).items() if k != "grad_samples"}
    said = {k: str(o.default).lower() for k, o in own.items() if o.default is not None}
    found = eval_request(MAIN_JOB | {"attack": attack} | said).settings.attack_options
    assert found == {k: own[k].default for k in said}
    other = next(key for key in ("rho", "probe") if key not in own)
    with pytest.raises(UsageError, match=f"attack '{attack}' has no option '{other}'; it takes: "):
        eval_request(MAIN_JOB | {"attack": attack, other: 0.5})


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["eval", "--epsiodes", "3"], "--episodes"),
        (["audit", "--game", "BankHeist", "--effrot=quick"], "--effort"),
        (["train", "--game", "BankHeist", "--lerning-rate", "1"], "--learning-rate"),
    ],
)
def test_an_unknown_flag_names_the_nearest(
    words: list[str], near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    err = capsys.readouterr().err
    assert f"the nearest known: {near}; see sap-rl {words[0]} --help" in err
    assert err.count("\n") == 1


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from parsers(inner)


def test_a_flag_means_one_thing_in_all_commands() -> None:
    listed: dict[str, set[str]] = {}
    for name in COMMANDS:
        command = Parser(prog=name)
        COMMANDS[name][0](command)
        for parser in parsers(command):
            for action in parser._actions:
                for flag in action.option_strings:
                    listed.setdefault(flag, set()).add(f"{parser.prog} {action.metavar}")
    assert listed["--frames"] == {"eval FRAMES", "film FRAMES"}, "all or newest"
    assert listed["--attack-frames"] == {"audit N", "certify N"}
    assert listed["--steps"] == {"certify N"}, "an attack's, in eval too"
    assert listed["--agent-steps"] == {"train N"}
    assert "--budget" not in listed
    assert {of.rpartition(" ")[2] for of in listed["--out-dir"]} == {"DIR"}
    assert {of.rpartition(" ")[2] for of in listed["--out"]} == {"FILE", "STORE"}


@pytest.mark.parametrize(
    ("former", "now"),
    [
        ("audit --game G --budget quick", "audit --game G --effort quick"),
        ("audit --game G --frames 8", "audit --game G --attack-frames 8"),
        ("audit --game G --out x", "audit --game G --out-dir x"),
        ("certify --game G --frames=64", "certify --game G --attack-frames 64"),
        ("train --game G --steps 5 --out x", "train --game G --agent-steps 5 --out-dir x"),
        ("harden --game G --out x", "harden --game G --out-dir x"),
        ("plot r.json --out x", "plot r.json --out-dir x"),
        ("agents import f --game G --out x", "agents import f --game G --out-dir x"),
        ("agents export f --out x", "agents export f --out-dir x"),
        ("vision train --data d --out x", "vision train --data d --out-dir x"),
        ("vision figures --data d --out x", "vision figures --data d --out-dir x"),
    ],
)
def test_former_spellings_are_read(former: str, now: str) -> None:
    read = [vars(_parser().parse_all(words.split())) for words in (former, now)]
    for one in read:
        del one["parser"]
    assert read[0] == read[1]


def test_former_keys_are_read_and_a_flag_wins_over_them() -> None:
    assert train_settings({"steps": 5, "agent_steps": 7}).steps == 7
    assert read_recipes({"Pong": {"steps": 3}}, {"agent_steps": 9})["Pong"].settings.steps == 3


def test_one_lambda_is_hardened_against(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["harden", "--game", "BankHeist", "--lambda", "0"]) == 2
    assert "lambda 0 leaves nothing to harden against" in capsys.readouterr().err


def test_capitals_do_not_matter_where_a_word_is_chosen() -> None:
    words = {"game": "bankheist", "attack": "FGSM", "defense": "SAP-100", "precision": "Float32"}
    assert eval_request(MAIN_JOB | words) == eval_request(MAIN_JOB | {"defense": "sap-100"})
    named = eval_request(MAIN_JOB | {"defense": "agent:BankHeist-hardened"})
    assert named.settings.defense == "agent:BankHeist-hardened"
