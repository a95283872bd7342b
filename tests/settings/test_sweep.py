"""A sweep's file becomes experiments; what is unknown or unusable is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sap_rl.agents import shipped_agents
from sap_rl.errors import UsageError
from sap_rl.settings.options import read_yaml
from sap_rl.settings.sweep import sweep_request

CONFIGS = Path(__file__).parents[2] / "configs"
PAPER_GAMES = ["Assault", "Asterix", "BankHeist", "BattleZone", "BeamRider", "Bowling"]


def test_the_papers_table_is_six_games_with_a_line_for_each_that_has_no_agent() -> None:
    options = read_yaml(CONFIGS / "paper_table.yaml")
    request = sweep_request(options, {})
    played = [experiment.settings.game for experiment in request.experiments]
    assert sorted([*played, *request.skipped]) == PAPER_GAMES
    assert played == [game for game in PAPER_GAMES if game in shipped_agents()]
    settings = request.experiments[0].settings
    assert (settings.lams, settings.episodes, settings.controls) == ((1.0, 2.0, 4.0, 8.0), 30, True)
    assert (settings.attack, settings.defense) == ("fgsm", "sap-100")
    assert settings.victims == ("own", "original")


def test_lists_are_every_combination() -> None:
    options = {
        "game": ["BankHeist", "assault"], "lambda": [1, 4], "defense": ["sap-100", "none"],
        "attack": ["fgsm", "pgd"], "seed": [0, 1],
    }  # fmt: skip
    found = sweep_request(options, {}).experiments
    assert len(found) == 16
    assert len({(e.settings.game, e.settings.defense, e.settings.attack, e.settings.seed)
                for e in found}) == 16  # fmt: skip
    assert {e.settings.lams for e in found} == {(1.0, 4.0)}
    assert {e.settings.defense for e in found} == {"sap-100", None}


def test_experiments_stand_over_the_outer_options_and_the_command_line_over_all() -> None:
    options = {
        "game": "BankHeist", "lambda": 4, "episodes": 5,
        "experiments": [{"attack": "pgd", "steps": 3}, {"agent": ["BankHeist"], "episodes": 6}],
    }  # fmt: skip
    first, second = sweep_request(options, {}).experiments
    assert (first.settings.attack, first.settings.attack_options) == ("pgd", {"steps": 3})
    assert (first.settings.episodes, second.settings.episodes) == (5, 6)
    assert second.settings.attack == "fgsm"
    over = sweep_request(options, {"episodes": "7"}).experiments
    assert [e.settings.episodes for e in over] == [7, 7]


def test_until_ci_begins_with_the_first_look_and_may_go_to_episodes() -> None:
    options = {"game": "BankHeist", "lambda": 4, "episodes": 100}
    (found,) = sweep_request(options, {}, "10%").experiments
    assert found.until is not None
    assert (found.until.width, found.until.unit, found.until.most) == (10.0, "percent", 100)
    assert found.settings.episodes == 30
    assert found.settings.look_level > 0.95
    (few,) = sweep_request(options | {"episodes": 8}, {}, "25").experiments
    assert few.until is not None
    assert (few.settings.episodes, few.until.looks, few.settings.look_level) == (8, (8,), 0.95)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gmae": "BankHeist"}, "unknown key 'gmae'; choose from game"),
        ({"lamda": 4}, "unknown key 'lamda'; choose from lambda"),
        ({"mising": "skip"}, "unknown key 'mising'; choose from missing"),
        ({"experiments": [{"atack": "pgd"}]}, "unknown key 'atack'; choose from attack"),
        ({"experiments": [{"missing": "skip"}]}, "unknown key 'missing'"),
        ({"experiments": []}, "experiments must be a list of mappings, got []"),
        ({"experiments": "pgd"}, "experiments must be a list of mappings, got 'pgd'"),
        ({"experiments": ["pgd"]}, "got 'pgd' in it"),
        ({"threads": 2}, "say --workers, not threads"),
        ({"missing": "skp"}, "unknown value of missing 'skp'; choose from skip"),
        ({"game": "BankHiest"}, "choose from BankHeist"),
        ({"game": []}, "game is an empty list"),
        ({"game": ["BankHeist", "Assault"], "agent": "x"}, "an agent goes with one game"),
        (
            {"game": "Tennis"},
            "there is no agent for Tennis: name one with `agent`, leave the game out",
        ),
        ({"game": "Tennis", "missing": "skip"}, "nothing is left to play: no agent for Tennis"),
        ({"attack": "pgd", "defense": ["sap-100", "spa-3"]}, "unknown defense 'spa-3'"),
        ({"attack": ["fgsm", "pgd"], "steps": 3}, "'fgsm' has no option 'steps'"),
        ({"seed": ["x"]}, "seed: cannot use 'x'"),
        ({"lambda": -1}, "got -1"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        sweep_request({"game": "BankHeist", "lambda": 4} | options, {})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_game_or_a_lambda_must_be_there() -> None:
    with pytest.raises(UsageError, match="game is missing"):
        sweep_request({"lambda": 4}, {})
    with pytest.raises(UsageError, match="lambda is missing"):
        sweep_request({"game": "BankHeist"}, {})
    with pytest.raises(UsageError, match="until-ci must be like 10%"):
        sweep_request({"game": "BankHeist", "lambda": 4}, {}, "narrow")
    with pytest.raises(UsageError, match=r"^episodes with --until-ci must be at least 2, got 1$"):
        sweep_request({"game": "BankHeist", "lambda": 4}, {"episodes": "1"}, "10%")
