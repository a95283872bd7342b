"""A recipe per game: what is said of it, what is under it, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sap_rl.atari.games import FACTS
from sap_rl.errors import UsageError
from sap_rl.settings.options import read_yaml
from sap_rl.training.dqn.settings import TrainSettings
from sap_rl.zoo.recipes import Rules, read_recipes

CONFIGS = Path(__file__).parents[2] / "configs" / "train"


def test_an_entry_stands_over_what_is_under_all() -> None:
    base = {"network": "dueling", "n_step": 5, "steps": "1e7"}
    found = read_recipes(
        {"bank_heist": {"network": "quantile", "look_at": "5e5"}, "Pong": {}}, base
    )
    assert list(found) == ["BankHeist", "Pong"]
    first, second = found.values()
    settings = TrainSettings(network="quantile", n_step=5, steps=10_000_000)
    assert (first.settings, first.rules) == (settings, Rules(look_at=500_000))
    settings = TrainSettings(network="dueling", n_step=5, steps=10_000_000)
    assert (second.settings, second.rules) == (settings, Rules())


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"Pnog": {}}, "unknown game 'Pnog'; choose from Pong"),
        ({"Pong": {"netwrk": "nature"}}, "unknown option of Pong 'netwrk'; choose from network"),
        ({"Pong": {"look": 5}}, "unknown option of Pong 'look'; choose from look_at"),
        ({"Pong": {"network": "deep"}}, "Pong: unknown network 'deep'; choose from nature"),
        ({"Pong": {"look_at": -1}}, "Pong: look_at must be at least 0, got -1"),
        ({"Pong": {"frozen": "perhaps"}}, "Pong: frozen: cannot use 'perhaps'"),
        ({"Pong": None}, "Pong: a recipe is a mapping of options, got None"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(said: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        read_recipes(said, {})
    assert str(error.value).startswith(message)


def test_the_recipes_that_are_shipped() -> None:
    """All games with a bar; what is frozen stands last, in tables and under hardened agents."""
    base = read_yaml(CONFIGS / "ddqn.yaml")
    found = read_recipes(read_yaml(CONFIGS / "zoo.yaml"), base)
    assert set(found) == set(FACTS)
    assert list(found)[:5] == ["BeamRider", "Pong", "Freeway", "Asterix", "Breakout"]
    assert [game for game in found if found[game].rules.frozen] == ["Assault", "BankHeist"]
    assert {
        game: recipe.rules.look_at for game, recipe in found.items() if recipe.rules.look_at
    } == {"Freeway": 500_000}
    quantile = {game for game in found if found[game].settings.network == "quantile"}
    assert quantile == {"BeamRider", "Pong", "Freeway", "Asterix", "BattleZone"}
    assert found["Breakout"].settings == TrainSettings()
