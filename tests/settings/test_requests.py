"""Options by name become settings; what is unknown or unusable is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sap_rl.errors import UsageError
from sap_rl.settings.options import read_yaml
from sap_rl.settings.requests import eval_request, film_request
from sap_rl.settings.sweep import sweep_request

MAIN_JOB = {"game": "bank_heist", "lambda": ["4"]}


def test_the_main_job_takes_the_protocols_defaults() -> None:
    request = eval_request(MAIN_JOB)
    settings = request.settings
    assert (request.agent, request.device) == ("BankHeist", "cpu")
    assert (settings.game, settings.lams, settings.defense) == ("BankHeist", (4.0,), "sap-100")
    assert (settings.episodes, settings.seed, settings.controls) == (30, 0, True)
    assert settings.victims == ("own", "original")
    assert eval_request(MAIN_JOB | {"victim": "self,original"}).settings == settings
    protocol = settings.protocol
    assert (protocol.epsilon, protocol.max_frames, protocol.sticky_actions) == (0.01, 18_000, 0.0)
    assert (protocol.observation, protocol.frames, protocol.noop_max) == ("float", "all", 30)


def test_every_option_reaches_its_place() -> None:
    settings = eval_request(
        MAIN_JOB
        | {
            "attack": "pgd",
            "steps": "7",
            "momentum": "0.5",
            "restarts": "2",
            "objective": "margin",
            "grad_samples": "3",
            "policy_samples": "4",
            "frames": "newest",
            "observation": "uint8",
            "norm": "linf",
            "defense": "sap-50",
            "sampler": "bernoulli",
            "backward": "identity",
            "victim": "original",
            "episodes": "5",
            "num_envs": "2",
            "max_frames": "400",
            "epsilon": "0.1",
            "seed": "9",
            "controls": False,
        }
    ).settings
    assert settings.attack_options == {
        "objective": "margin",
        "steps": 7,
        "momentum": 0.5,
        "restarts": 2,
    }
    assert settings.defense_options == {"sampler": "bernoulli", "backward": "identity"}
    assert (settings.defense, settings.victims, settings.controls) == (
        "sap-50",
        ("original",),
        False,
    )
    protocol = settings.protocol
    assert (protocol.grad_samples, protocol.policy_samples) == (3, 4)
    assert (protocol.frames, protocol.observation) == ("newest", "uint8")
    assert (protocol.max_frames, protocol.epsilon) == (400, 0.1)
    assert (settings.episodes, settings.num_envs, settings.seed) == (5, 2, 9)


@pytest.mark.parametrize(
    ("given", "lams"),
    [(["1", "2"], (1.0, 2.0)), (["0.25,1"], (0.25, 1.0)), (4, (4.0,)), ([0.5, 8], (0.5, 8.0))],
)
def test_lambdas_in_any_spelling(given: Any, lams: tuple[float, ...]) -> None:
    assert eval_request({"game": "Pong", "lambda": given}).settings.lams == lams


def test_no_defence() -> None:
    assert eval_request(MAIN_JOB | {"defense": "none"}).settings.defense is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gmae": "Pong"}, "unknown option 'gmae'; choose from game"),
        ({"episodes": "many"}, "episodes: cannot use 'many'"),
        ({"episodes": 2.5}, "episodes: cannot use 2.5"),
        ({"episodes": True}, "episodes: cannot use True"),
        ({"episodes": float("inf")}, "episodes: cannot use inf"),
        ({"lambda": "four"}, "lambda: cannot use 'four'"),
        ({"lambda": []}, "at least one lambda"),
        ({"game": None}, "game: cannot use None"),
        ({"agent": None}, "agent: cannot use None"),
        ({"lambda": 1e40}, "lambda is in pixel units, at most 255, got 1e+40"),
        ({"max_frames": 10**12}, "max_frames must be at most"),
        ({"attack": "FGMS"}, "choose from fgsm"),
        ({"controls": "yes"}, "controls: cannot use 'yes'"),
        ({"victim": "onw"}, "unknown victim 'onw'; choose from own"),
        ({"game": "BankHiest"}, "unknown game 'BankHiest'; choose from BankHeist"),
        ({"attack": "pdg"}, "unknown attack 'pdg'; choose from pgd"),
        ({"defense": "sap-x"}, "'x' is not a number"),
        ({"frames": "oldest"}, "unknown frames 'oldest'"),
        ({"epsilon": 1.5}, "epsilon must lie in 0..1, got 1.5"),
    ],
)
def test_bad_options_are_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        eval_request(MAIN_JOB | options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_film_takes_an_evaluations_options_and_no_others() -> None:
    request = film_request(MAIN_JOB | {"episodes": 30, "threads": 2})
    assert (request.settings.episodes, request.settings.victims) == (1, ("own",))
    with pytest.raises(UsageError, match="unknown option 'atack'; choose from attack"):
        film_request(MAIN_JOB | {"atack": "pgd"})


def test_missing_game_or_lambda() -> None:
    with pytest.raises(UsageError, match="game is missing"):
        eval_request({"lambda": 4})
    with pytest.raises(UsageError, match="lambda is missing"):
        eval_request({"game": "Pong"})


@pytest.mark.parametrize("path", sorted(Path("configs").glob("*.yaml")), ids=str)
def test_every_shipped_config_can_be_used(path: Path) -> None:
    """By `sap-rl eval`, or where it plays several evaluations by `sap-rl sweep`."""
    options = read_yaml(path)
    if path.stem in ("hardened", "paper_table", "rivals"):
        assert sweep_request(options, {"missing": "skip"}).experiments
    else:
        assert eval_request(options).settings.lams


def test_large_seeds_are_not_rounded() -> None:
    assert eval_request(MAIN_JOB | {"seed": "9007199254740993"}).settings.seed == 9007199254740993
